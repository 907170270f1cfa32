#include "server/app/front_ends.h"

#include <algorithm>
#include <atomic>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/app/batch_service.h"
#include "server/app/billing.h"
#include "server/app/door_security.h"
#include "server/app/engine_services.h"
#include "server/app/file_keys.h"
#include "server/app/front_host.h"
#include "server/app/health_probe.h"
#include "server/app/json_log.h"
#include "server/app/shared_scrapes.h"
#include "server/app/tracing.h"
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

// For what the engine said last to reach its clients.
constexpr Nanoseconds kLastWords = Seconds(3);

class BothFrontEnds : public FrontEnds {
 public:
  BothFrontEnds(const config::ServerConfig& config, Cloud* cloud, admin::AdminPort* admin,
                const CellMember* member)
      : config_(config),
        member_(member),
        cloud_(cloud),
        admin_(admin),
        health_(cloud, admin, [this] { return billing_->Check(); }),
        budgets_({}, FileLimits(config)),
        memory_(MemoryLimit(config),
                {runtime::MonotonicNow, runtime::AnonymousMemory, runtime::TrimMemory}) {}
  ~BothFrontEnds() override { Stop(); }

  absl::Status Listen() {
    WL_ASSIGN_OR_RETURN(keys_, tenancy::ApiKeys::Create(FileKeys(config_)));
    const Billing::Access access{&keys_, &budgets_, FileKeys(config_), FileLimits(config_), cloud_};
    WL_ASSIGN_OR_RETURN(billing_, Billing::Start(config_.billing, access));
    WL_ASSIGN_OR_RETURN(tracing_, Tracing::Start(config_.trace, cloud_->phases()));
    log_ = OpenRequestLog(member_ == nullptr ? std::nullopt : std::optional(member_->Figures()));
    WL_ASSIGN_OR_RETURN(handoffs_, HandoffsOf(config_, instance_, runtime::UnixSeconds()));
    deps_ = Deps();
    WL_ASSIGN_OR_RETURN(security_, DoorSecurity::Load(config_.tls, deps_.metrics));
    AwaitHandoffs(*handoffs_);
    // First, since HTTP's readers ask for its figures.
    WL_RETURN_IF_ERROR(ListenGrpc());
    return ListenHttp();
  }

  uint16_t http_port() const override { return http_.port; }
  uint16_t admin_port() const override { return operators_.port; }
  uint16_t grpc_port() const override { return grpc_->port(); }
  bool needs_keys() const override { return keys_.required(); }

  void SetServing(bool serving) override { grpc_->SetServing(serving); }
  void StopServing() override {
    SetServing(false);
    batches_->Drain();
  }

  void Stop() override {
    if (batches_ != nullptr) batches_->Stop();
    if (billing_ != nullptr) billing_->Settle();
    StopPorts();
    if (billing_ != nullptr) billing_->Stop();
  }

 private:
  void StopPorts() {
    if (grpc_ != nullptr) {
      runtime::WaitFor([this] { return grpc_->live_calls() == 0; }, kLastWords);
      grpc_->Shutdown();
    }
    if (http_.server == nullptr || http_stopped_) return;
    http_stopped_ = true;
    http_.server->StopAccepting();
    runtime::WaitFor([this] { return AnsweredOverHttp(); }, kLastWords);
    texts_.Stop();
    if (operators_.server != nullptr) operators_.server->Stop();
    http_.server->Stop();
  }

  serving::ServerDeps Deps() {
    return {.front_door = &cloud_->engines(),
            .models = &cloud_->catalog(),
            .keys = &keys_,
            .budgets = &budgets_,
            .ledger = &ledger_,
            .meter = &billing_->meter(),
            .accounts = &billing_->accounts(),
            .books = &billing_->books(),
            .metrics = cloud_->exposition().front(),
            .admin_port = admin_,
            .ids = &ids_,
            .texts = &texts_,
            .memory = &memory_,
            .handoffs = handoffs_.get(),
            .tracer = tracing_->tracer(),
            .log = log_.get(),
            .clock = ClockOf(config_.clock)};
  }

  using Snapshots = std::vector<engine::EngineSnapshot>;  // by engine
  // A port, and the routes that it has.
  struct HttpDoor {
    std::unique_ptr<http::HttpServer> server;
    std::unique_ptr<http::Api> api;
    uint16_t port = 0;
  };

  absl::Status ListenHttp() {
    const auto post = [this](std::function<void()> task) { http_.server->Post(std::move(task)); };
    generations_ = std::make_unique<http::Generations>(deps_, DialectOf(config_), post);
    generations_->responses().UseArchive(billing_->archive());
    batches_ = std::make_unique<BatchService>(billing_.get(), generations_.get(),
                                              config_.limits.batch_lines, post);
    http::ServerOptions options;
    options.address = config_.listen.address;
    options.port = static_cast<uint16_t>(config_.listen.http_port);
    options.max_body_bytes = static_cast<size_t>(config_.limits.body_bytes);
    options.max_connections = config_.limits.connections;
    options.max_bodies_bytes = std::max(options.max_bodies_bytes, 2 * options.max_body_bytes);
    const bool apart = config_.listen.admin_port.has_value();
    using Scope = http::Access::Scope;
    security_->Protect(&options, tls::Door::kHttp);
    WL_RETURN_IF_ERROR(
        Open(options, {apart ? Scope::kClients : Scope::kAll, config_.listen.hosts}, &http_));
    batches_->Start();
    if (!apart) return absl::OkStatus();
    options.address = config_.listen.admin_address;
    options.port = static_cast<uint16_t>(*config_.listen.admin_port);
    security_->Protect(&options, tls::Door::kOperators);
    return Open(options, {Scope::kOperators, {}}, &operators_);
  }

  absl::Status Open(http::ServerOptions options, http::Access access, HttpDoor* door) {
    options.clock = deps_.clock;
    options.admit = [door](const http::Request& request) { return door->api->Admit(request); };
    options.error_shape = std::bind_front(&http::Generations::ErrorShapeFor, generations_.get());
    options.on_reply = [this](const http::Request& request, int code, Nanoseconds lasted) {
      cloud_->exposition().front()->OnRequest(http::Api::RouteOf(request.path), code, lasted);
    };
    options.on_tick = [door](Nanoseconds now) { door->api->Tick(now); };
    door->server = std::make_unique<http::HttpServer>(
        options, [door](std::shared_ptr<http::Exchange> exchange) {
          door->api->Handle(std::move(exchange));
        });
    const http::Operations operations{
        .health = [this](auto reply) { health_.Ask(std::move(reply)); },
        .metrics =
            [this](auto names, auto reply) {
              http_.server->Post([=, this] { scrapes_.Get(names, reply); });
            },
        .live = [this, door](auto reply) { Look(door, std::move(reply)); },
        .layout = [this] { return cloud_->LayoutJson(); }};
    door->api = std::make_unique<http::Api>(
        generations_.get(), operations, std::move(access),
        [door](std::function<void()> task) { door->server->Post(std::move(task)); });
    WL_ASSIGN_OR_RETURN(door->port, door->server->Start());
    return absl::OkStatus();
  }

  absl::Status ListenGrpc() {
    rpc::RpcOptions options;
    options.host = config_.listen.address;
    options.port = static_cast<uint16_t>(config_.listen.grpc_port);
    options.max_message_bytes = static_cast<int>(config_.limits.body_bytes);
    options.max_connections = config_.limits.connections;
    options.for_operators = !config_.listen.admin_port;
    options.extra = EngineServices(config_.engine_api, *cloud_, instance_);
    security_->Protect(&options);
    WL_ASSIGN_OR_RETURN(grpc_, rpc::RpcServer::Start(deps_, options));
    grpc_->SetServing(true);
    return absl::OkStatus();
  }

  // On http_'s io thread, after each engine's thread has handed its tallies over between two
  // events.
  void MakeScrape(const SharedScrapes::Names& names) {
    const auto parts = std::make_shared<Snapshots>(cloud_->engines().members().size());
    const auto make = [this, names](bool current, const auto& snapshots) {
      metrics::Exposition& all = cloud_->exposition();
      if (current) all.SetGauges(health_.Merged(std::move(*snapshots)), Figures(), names);
      scrapes_.Put(names, all.Text(names));
    };
    const auto flush = [this, parts](size_t i, engine::Engine& engine) {
      cloud_->exposition().Flush(i);
      (*parts)[i] = engine.Snapshot();
    };
    const auto made = [this, parts, make] { http_.server->Post([=] { make(true, parts); }); };
    if (!cloud_->engines().Post(flush, made)) make(false, parts);
  }

  // The same for those who watch the page.
  void Look(HttpDoor* door, std::function<void(std::string)> reply) {
    const auto view = std::make_shared<live::LiveView>();
    const auto parts = std::make_shared<Snapshots>(cloud_->engines().members().size());
    view->activities.resize(parts->size());
    const bool posted = cloud_->engines().Post(
        [this, parts, view](size_t i, engine::Engine& engine) {
          (*parts)[i] = engine.Snapshot();
          view->activities[i] = cloud_->journal(i).Look();
        },
        [this, door, parts, view, reply] {
          door->server->Post([this, parts, view, reply] {
            view->engines = health_.Merged(std::move(*parts));
            view->draining = admin_->draining();
            view->host_now = runtime::MonotonicNow();
            reply(live::LiveJson(*view));
          });
        });
    if (!posted) reply("");
  }

  metrics::HostFigures Figures() const {
    metrics::HostFigures figures{.engine_progress_age = cloud_->engines().progress_age(),
                                 .http_connections = http_.server->connections(),
                                 .grpc_connections = grpc_->connections(),
                                 .certificate_expires = security_->CertificateExpires(),
                                 .spans = tracing_->figures(),
                                 .compute = cloud_->compute()};
    figures.kv_events = cloud_->kv_events();
    figures.billing = billing_->Figures();
    if (member_ != nullptr) figures.cell = member_->Figures();
    for (const runtime::EngineGroup::Member& member : cloud_->engines().members()) {
      for (const std::string& model : member.models) {
        figures.blocked.push_back({model, member.thread->blocked_age()});
      }
    }
    return figures;
  }

  bool AnsweredOverHttp() {
    auto answer = std::make_shared<std::atomic<int>>(-1);
    http_.server->Post([this, answer] { *answer = generations_->live() == 0 ? 1 : 0; });
    runtime::WaitFor([&answer] { return *answer >= 0; }, Milliseconds(200));
    return *answer == 1;
  }

  const config::ServerConfig config_;
  const std::string instance_ = absl::StrCat(absl::Hex(runtime::RandomSeed(), absl::kZeroPad16));
  std::unique_ptr<serving::KvHandoffs> handoffs_;
  const CellMember* const member_;
  Cloud* const cloud_;
  admin::AdminPort* const admin_;
  const HealthProbe health_;
  tenancy::ApiKeys keys_;
  tenancy::Budgets budgets_;
  tenancy::UsageLedger ledger_;
  std::unique_ptr<Billing> billing_;
  std::unique_ptr<DoorSecurity> security_;
  std::unique_ptr<Tracing> tracing_;
  std::unique_ptr<serving::RequestLog> log_;
  serving::RequestIdSource ids_{runtime::RandomSeed()};
  serving::TextWorker texts_{runtime::MonotonicNow};
  serving::MemoryGate memory_;
  serving::ServerDeps deps_;
  HttpDoor http_;
  HttpDoor operators_;  // if they have one of their own
  std::unique_ptr<http::Generations> generations_;
  std::unique_ptr<BatchService> batches_;
  std::unique_ptr<rpc::RpcServer> grpc_;
  SharedScrapes scrapes_{{.make = std::bind_front(&BothFrontEnds::MakeScrape, this),
                          .now = runtime::MonotonicNow,
                          .after = [this](auto... args) { http_.server->PostAfter(args...); }}};
  bool http_stopped_ = false;
};

}  // namespace

absl::StatusOr<std::unique_ptr<FrontEnds>> FrontEnds::Start(const config::ServerConfig& config,
                                                            Cloud* cloud, admin::AdminPort* admin,
                                                            const CellMember* member) {
  auto front = std::make_unique<BothFrontEnds>(config, cloud, admin, member);
  WL_RETURN_IF_ERROR(front->Listen());
  return front;
}

}  // namespace waferline::app
