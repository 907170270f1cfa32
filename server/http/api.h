// The routes: which path does what for whom. Answers everything an exchange can ask; completions
// and chats go on to Generations.
//
// Owner: server/app. Thread: io. Keys guard /v1 and the token routes; /admin needs a key that may
// operate, or a caller on this machine (origin.h) while no keys are configured. Pages of other
// machines are not answered with permission to read (CORS), and may not post.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/http/account_routes.h"
#include "server/http/admin_routes.h"
#include "server/http/api_description.h"
#include "server/http/exchange.h"
#include "server/http/generations.h"
#include "server/http/live_feed.h"
#include "server/tenancy/api_keys.h"

namespace waferline::http {

struct Health {
  bool live = true;   // the engine makes progress
  bool ready = true;  // models are loaded and requests are taken
  std::string why;    // not live or not ready
  // Models whose requests cannot be served now, and why: a fault took their last device or link.
  std::vector<std::pair<std::string, std::string>> impaired;
};

// Which routes a port has, and the names by which it may be asked for them.
struct Access {
  // kClients: all but /admin. kOperators: /admin, health and metrics.
  enum class Scope : uint8_t { kAll, kClients, kOperators };
  Scope scope = Scope::kAll;
  std::vector<std::string> hosts;  // without a port; empty: any
};

// What the routes ask of the rest of the process; quick, as it is called on the io thread. `reply`
// may be called from any thread, once.
struct Operations {
  std::function<void(std::function<void(Health)> reply)> health;
  // Prometheus text of the families of these names, of all if there are none.
  std::function<void(std::vector<std::string> names, std::function<void(std::string)> reply)>
      metrics;
  LiveFeed::Look live;                  // server/live's snapshot of the cloud
  std::function<std::string()> layout;  // what of it does not change, as JSON
};

class Api {
 public:
  // All must outlive the server. `post` runs a task on the io thread.
  Api(Generations* generations, Operations operations, Access access,
      std::function<void(std::function<void()>)> post);

  void Handle(std::shared_ptr<Exchange> exchange);

  // The reply that a request gets whatever its body is: no such route, method or right. For
  // ServerOptions::admit.
  std::optional<Reply> Admit(const Request& request) const;

  // To be called ten times a second or so: what goes on by itself.
  void Tick(Nanoseconds now) { live_feed_.Tick(now); }

  // The route that a path belongs to, from a fixed few: a label for metrics.
  static std::string_view RouteOf(std::string_view path);

 private:
  struct Route;
  static const Route kRoutes[];
  static std::span<const Route> Routes();

  struct Found {
    std::string_view path;         // of the route as the table has it; "": there is none
    const Route* route = nullptr;  // for the method, if it has that
    std::string methods;           // it has, each with ", "
  };
  static Found Find(std::string_view path, std::string_view method);

  // Who asks for which route; or the reply that refuses it.
  struct Verdict {
    const Route* route = nullptr;
    tenancy::Caller caller;
    std::optional<Reply> refusal;
  };
  std::optional<trace::Tracer::Started> StartTrace(Exchange& exchange) const;
  Verdict Judge(const Request& request) const;
  bool InScope(std::string_view path) const;
  bool MayBeCalled(const Request& request) const;
  absl::StatusOr<tenancy::Caller> Authorize(const Route& route, const Request& request) const;
  struct Fault {
    int code;
    std::string message;
    Headers headers = {};
  };
  Reply Failure(const Request& request, Fault fault) const;

  // Asks for the server's health and answers on the io thread.
  void AskHealth(const Call& call, std::string (*body)(const Health&), bool needs_ready);
  void HealthPage(const Call& call);
  void Live(const Call& call);
  void Ready(const Call& call);
  void Metrics(const Call& call);
  void Docs(const Call& call);
  void OpenApi(const Call& call);
  void Layout(const Call& call);
  void Watch(const Call& call);
  static std::vector<RouteDescription> Descriptions();

  Generations* const generations_;
  const Operations operations_;
  const Access access_;
  const std::function<void(std::function<void()>)> post_;
  const AdminRoutes admin_;
  const AccountRoutes accounts_;
  LiveFeed live_feed_;
};

}  // namespace waferline::http
