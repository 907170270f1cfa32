// The routes under /admin/: admin::AdminPort as JSON. Api checks who may call them.
//
// Owner: Api. Thread: io. A request that needs the engine is answered after the engine has executed
// it, even if the client has disconnected meanwhile.
#pragma once

#include <functional>

#include "absl/status/statusor.h"
#include "server/admin/admin_port.h"
#include "server/http/generations.h"

namespace waferline::http {

class AdminRoutes {
 public:
  // Both must outlive the server. `post` runs a task on the io thread.
  AdminRoutes(admin::AdminPort* admin_port, const Generations* generations,
              std::function<void(std::function<void()>)> post)
      : admin_port_(admin_port), generations_(generations), post_(std::move(post)) {}

  void Server(const Call& call) const;
  void Load(const Call& call) const;
  void Usage(const Call& call) const;
  void Drain(const Call& call) const;
  void Resume(const Call& call) const;
  void Abort(const Call& call) const;
  void ResetPrefixCaches(const Call& call) const;
  void ApplyFault(const Call& call) const;

 private:
  // What takes an answer of the engine's thread to the io thread: the JSON of it, or its failure.
  std::function<void(absl::StatusOr<std::string>)> Later(const Call& call) const;
  void Answer(const Call& call, const absl::StatusOr<std::string>& body) const;

  admin::AdminPort* const admin_port_;
  const Generations* const generations_;
  const std::function<void(std::function<void()>)> post_;
};

}  // namespace waferline::http
