#include "server/app/front_ends.h"

#include <algorithm>
#include <atomic>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/app/billing.h"
#include "server/http/api.h"
#include "server/http/generations.h"
#include "server/http/http_server.h"
#include "server/live/live_view.h"
#include "server/rpc/rpc_server.h"
#include "server/runtime/host.h"
#include "server/serving/server_deps.h"
#include "server/tenancy/api_keys.h"
#include "server/tenancy/budget.h"
#include "server/tenancy/usage_ledger.h"
#include "wafer_backend/base/status.h"

namespace waferline::app {
namespace {

constexpr Nanoseconds kHungAfter =
    Seconds(10);  // the engine ends a turn at least 20 times a second
constexpr Nanoseconds kSilentAfter =
    Seconds(5);  // without a value; attempts to reach lost workers go on for 10 s at a time
constexpr Nanoseconds kLastWords =
    Seconds(3);  // for what the engine said last to reach its clients

std::vector<tenancy::ApiKey> Keys(const config::ServerConfig& config) {
  std::vector<tenancy::ApiKey> keys;
  for (const config::ApiKeyConfig& key : config.api_keys) {
    keys.push_back({.key = key.key, .tenant = key.tenant, .admin = key.admin});
  }
  return keys;
}

std::map<std::string, tenancy::TenantLimits, std::less<>> Limits(
    const config::ServerConfig& config) {
  std::map<std::string, tenancy::TenantLimits, std::less<>> limits;
  for (const config::ApiKeyConfig& key : config.api_keys) {
    tenancy::TenantLimits& tenant = limits[key.tenant];
    if (key.requests_per_day > 0) tenant.requests_day = key.requests_per_day;
    if (key.tokens_per_minute > 0) tenant.tokens_minute = key.tokens_per_minute;
  }
  return limits;
}

// Why no request of a model can be served by its emulated hardware; null if one can.
const char* Impairment(const engine::LaneSnapshot& lane) {
  const auto none = [](const auto& all, auto usable) {
    return std::none_of(all.begin(), all.end(), usable);
  };
  if (none(lane.workers, [](const auto& worker) { return worker.alive; })) {
    return "every prefill worker is down";
  }
  if (none(lane.units, [](const auto& unit) { return unit.alive; })) {
    return "every decode unit is down";
  }
  if (none(lane.units, [](const auto& unit) { return unit.alive && unit.reachable; })) {
    return "no KV link to a decode unit moves bytes";
  }
  return nullptr;
}

class BothFrontEnds : public FrontEnds {
 public:
  BothFrontEnds(const config::ServerConfig& config, Cloud* cloud, admin::AdminPort* admin)
      : config_(config), cloud_(cloud), admin_(admin), budgets_({}, Limits(config)) {}
  ~BothFrontEnds() override { Stop(); }

  absl::Status Listen() {
    WL_ASSIGN_OR_RETURN(keys_, tenancy::ApiKeys::Create(Keys(config_)));
    WL_ASSIGN_OR_RETURN(billing_, Billing::Start(config_.billing));
    deps_ = Deps();
    WL_RETURN_IF_ERROR(ListenHttp());
    return ListenGrpc();
  }

  uint16_t http_port() const override { return http_port_; }
  uint16_t grpc_port() const override { return grpc_->port(); }

  void StopServing() override { grpc_->SetServing(false); }

  void Stop() override {
    if (billing_ != nullptr) billing_->Stop();
    if (grpc_ != nullptr) {
      runtime::WaitFor([this] { return grpc_->live_calls() == 0; }, kLastWords);
      grpc_->Shutdown();
    }
    if (http_ == nullptr || http_stopped_) return;
    http_stopped_ = true;
    http_->StopAccepting();
    runtime::WaitFor([this] { return AnsweredOverHttp(); }, kLastWords);
    texts_.Stop();
    http_->Stop();
  }

 private:
  serving::ServerDeps Deps() {
    serving::HostClock clock{.monotonic = runtime::MonotonicNow,
                             .unix_seconds = runtime::UnixSeconds};
    if (!config_.clock.stepped) {
      clock.emulated_until = [scale =
                                  config_.clock.scale](std::chrono::system_clock::time_point at) {
        return Nanoseconds(static_cast<int64_t>(runtime::WallUntil(at).as_double() * scale));
      };
    }
    return {.front_door = &cloud_->engines(),
            .models = &cloud_->catalog(),
            .keys = &keys_,
            .budgets = &budgets_,
            .ledger = &ledger_,
            .meter = &billing_->meter(),
            .metrics = cloud_->exposition().front(),
            .admin_port = admin_,
            .ids = &ids_,
            .texts = &texts_,
            .clock = std::move(clock)};
  }

  absl::Status ListenHttp() {
    http::ServerOptions options;
    options.address = config_.listen.address;
    options.port = static_cast<uint16_t>(config_.listen.http_port);
    options.max_body_bytes = static_cast<size_t>(config_.limits.body_bytes);
    options.max_connections = config_.limits.connections;
    options.max_bodies_bytes = std::max(options.max_bodies_bytes, 2 * options.max_body_bytes);
    options.clock = deps_.clock;
    options.admit = [this](const http::Request& request) { return api_->Admit(request); };
    options.on_reply = [this](const http::Request& request, int code, Nanoseconds lasted) {
      cloud_->exposition().front()->OnRequest(http::Api::RouteOf(request.path), code, lasted);
    };
    options.on_tick = [this](Nanoseconds now) { api_->Tick(now); };
    http_ = std::make_unique<http::HttpServer>(
        options,
        [this](std::shared_ptr<http::Exchange> exchange) { api_->Handle(std::move(exchange)); });
    const auto post = [this](std::function<void()> task) { http_->Post(std::move(task)); };
    generations_ = std::make_unique<http::Generations>(
        deps_,
        openai::Dialect{.error_shape = config_.flat_errors ? openai::ErrorShape::kFlat
                                                           : openai::ErrorShape::kNested,
                        .refuse_unknown_fields = config_.refuse_unknown_fields,
                        .usage_at_finish = config_.usage_at_finish,
                        .clip_max_tokens = config_.clip_max_tokens},
        post);
    const http::Operations operations{.health = [this](auto reply) { AskHealth(std::move(reply)); },
                                      .metrics = [this](auto reply) { Scrape(std::move(reply)); },
                                      .live = [this](auto reply) { Look(std::move(reply)); },
                                      .layout = [this] { return cloud_->LayoutJson(); }};
    api_ = std::make_unique<http::Api>(generations_.get(), operations, post);
    WL_ASSIGN_OR_RETURN(http_port_, http_->Start());
    return absl::OkStatus();
  }

  absl::Status ListenGrpc() {
    rpc::RpcOptions options;
    options.host = config_.listen.address;
    options.port = static_cast<uint16_t>(config_.listen.grpc_port);
    options.max_message_bytes = static_cast<int>(config_.limits.body_bytes);
    WL_ASSIGN_OR_RETURN(grpc_, rpc::RpcServer::Start(deps_, options));
    grpc_->SetServing(true);
    return absl::OkStatus();
  }

  // An engine that stands still is known without asking it; what its models have left, it says.
  void AskHealth(std::function<void(http::Health)> reply) {
    http::Health health = HealthNow();
    const bool asked =
        health.live && cloud_->engines().Snapshot([this, health, reply](const auto& all) mutable {
          for (const engine::LaneSnapshot& lane : all.lanes) {
            if (std::string why = WhyNot(lane); !why.empty()) {
              health.impaired.emplace_back(lane.model, std::move(why));
            }
          }
          if (health.ready && health.impaired.size() == all.lanes.size()) {
            health.ready = false;
            health.why = "no model can be served: " + health.impaired.front().second;
          }
          reply(std::move(health));
        });
    if (!asked) reply(health);
  }

  // Why no request of a model can be served now; "" if one can.
  std::string WhyNot(const engine::LaneSnapshot& lane) const {
    if (const char* why = Impairment(lane)) return why;
    if (std::string why = cloud_->OutageOf(lane.model); !why.empty()) return why;
    return Silent(lane.model) ? "its workers have sent nothing for long" : "";
  }

  bool Silent(const std::string& model) const {
    const auto place = cloud_->PlaceOf(model);
    return place && cloud_->engines().members()[place->engine].thread->blocked_age() > kSilentAfter;
  }

  http::Health HealthNow() const {
    http::Health health;
    const Nanoseconds age = cloud_->engines().progress_age();
    health.live = age < kHungAfter;
    health.ready = health.live && !admin_->draining();
    if (!health.live)
      health.why = absl::StrCat("the engine has made no progress for ", ToSeconds(age), " s");
    if (admin_->draining()) health.why = "draining";
    return health;
  }

  // Each engine's thread hands its tallies over between two events; the text is made on the io
  // thread.
  void Scrape(std::function<void(std::string)> reply) {
    const auto parts =
        std::make_shared<std::vector<engine::EngineSnapshot>>(cloud_->engines().members().size());
    const bool posted = cloud_->engines().Post(
        [this, parts](size_t i, engine::Engine& engine) {
          cloud_->exposition().Flush(i);
          (*parts)[i] = engine.Snapshot();
        },
        [this, parts, reply] {
          http_->Post([this, parts, reply] {
            cloud_->exposition().SetGauges(engine::Merged(std::move(*parts)), Figures());
            reply(cloud_->exposition().Text());
          });
        });
    if (!posted) reply(cloud_->exposition().Text());
  }

  // The same for those who watch the page.
  void Look(std::function<void(std::string)> reply) {
    const auto view = std::make_shared<live::LiveView>();
    const auto parts =
        std::make_shared<std::vector<engine::EngineSnapshot>>(cloud_->engines().members().size());
    view->activities.resize(parts->size());
    const bool posted = cloud_->engines().Post(
        [this, parts, view](size_t i, engine::Engine& engine) {
          (*parts)[i] = engine.Snapshot();
          view->activities[i] = cloud_->journal(i).Look();
        },
        [this, parts, view, reply] {
          http_->Post([this, parts, view, reply] {
            view->engines = engine::Merged(std::move(*parts));
            view->draining = admin_->draining();
            view->host_now = runtime::MonotonicNow();
            reply(live::LiveJson(*view));
          });
        });
    if (!posted) reply("");
  }

  metrics::HostFigures Figures() const {
    metrics::HostFigures figures{.engine_progress_age = cloud_->engines().progress_age(),
                                 .http_connections = http_->connections(),
                                 .compute = cloud_->compute()};
    for (const runtime::EngineGroup::Member& member : cloud_->engines().members()) {
      for (const std::string& model : member.models) {
        figures.blocked.push_back({model, member.thread->blocked_age()});
      }
    }
    return figures;
  }

  bool AnsweredOverHttp() {
    auto answer = std::make_shared<std::atomic<int>>(-1);
    http_->Post([this, answer] { *answer = generations_->live() == 0 ? 1 : 0; });
    runtime::WaitFor([&answer] { return *answer >= 0; }, Milliseconds(200));
    return *answer == 1;
  }

  const config::ServerConfig config_;
  Cloud* const cloud_;
  admin::AdminPort* const admin_;
  tenancy::ApiKeys keys_;
  tenancy::Budgets budgets_;
  tenancy::UsageLedger ledger_;
  std::unique_ptr<Billing> billing_;
  serving::RequestIdSource ids_{runtime::RandomSeed()};
  serving::TextWorker texts_{runtime::MonotonicNow};
  serving::ServerDeps deps_;
  std::unique_ptr<http::HttpServer> http_;
  std::unique_ptr<http::Generations> generations_;
  std::unique_ptr<http::Api> api_;
  std::unique_ptr<rpc::RpcServer> grpc_;
  uint16_t http_port_ = 0;
  bool http_stopped_ = false;
};

}  // namespace

absl::StatusOr<std::unique_ptr<FrontEnds>> FrontEnds::Start(const config::ServerConfig& config,
                                                            Cloud* cloud, admin::AdminPort* admin) {
  auto front = std::make_unique<BothFrontEnds>(config, cloud, admin);
  WL_RETURN_IF_ERROR(front->Listen());
  return front;
}

}  // namespace waferline::app
