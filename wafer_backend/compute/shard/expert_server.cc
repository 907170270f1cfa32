#include "wafer_backend/compute/shard/expert_server.h"

#include <algorithm>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/compute/link/pending_peers.h"
#include "wafer_backend/compute/link/reactor.h"
#include "wafer_backend/compute/link/typed_link.h"
#include "wafer_backend/compute/shard/peer_model.h"
#include "wafer_backend/membership/owner_gate.h"

namespace waferline::shard {
namespace {

constexpr size_t kMaxShards = 64;  // that are connected; one more closes the oldest
constexpr Nanoseconds kIdleTurn = Milliseconds(100);

class ExpertServer {
 public:
  ExpertServer(ExpertWorker* worker, const ExpertServerOptions& options, link::HelloFrame hello)
      : worker_(worker),
        options_(options),
        hello_(hello),
        reactor_(options.liveness),
        pending_(&reactor_, {.check = [this](const auto& theirs) { return Check(theirs); },
                             .ours = [this] { return Hello(); },
                             .on_greeted =
                                 [this](const auto& theirs, auto taken) {
                                   TakeOwner(theirs.credentials);
                                   Serve(std::move(taken));
                                 },
                             .on_remark = options.on_remark}) {}

  absl::Status Run(const std::atomic<bool>& stop) {
    WL_ASSIGN_OR_RETURN(const auto listener,
                        link::Listener::Open(&reactor_, options_.listen, [this](auto taken) {
                          pending_.Add(std::move(taken));
                        }));
    if (options_.on_ready) options_.on_ready(listener->port());
    while (!stop.load(std::memory_order_relaxed)) {
      reactor_.Turn(kIdleTurn);
      pending_.Watch();
      std::erase_if(shards_, [](const auto& shard) { return shard->gone; });
      if (shards_.empty()) gate_.OnDriverGone();
      if (shards_.size() > kMaxShards) shards_.erase(shards_.begin());
    }
    return absl::OkStatus();
  }

 private:
  struct Peer {
    explicit Peer(std::unique_ptr<link::Connection> taken)
        : connection(std::move(taken)), outlet(connection.get()) {}
    std::unique_ptr<link::Connection> connection;
    link::ExpertInlet inlet;
    link::ExpertOutlet outlet;
    bool gone = false;  // removed when none of its handlers runs
  };

  absl::Status Check(const link::HelloFrame& theirs) const {
    WL_RETURN_IF_ERROR(SameModel(hello_, theirs));
    if (theirs.role != link::Role::kShard) {
      return absl::FailedPreconditionError("only shards connect to a worker of experts");
    }
    if (gate_.CheckPeer(theirs.credentials).ok()) return absl::OkStatus();
    return gate_.CheckDriver(theirs.credentials);
  }

  link::HelloFrame Hello() const {
    link::HelloFrame hello = hello_;
    hello.credentials.cell = gate_.last().cell;
    hello.credentials.fence = gate_.last().fence;
    return hello;
  }

  // The shards of one driver share this worker; those of an earlier owner have nothing more to ask.
  void TakeOwner(const membership::Credentials& theirs) {
    if (gate_.CheckPeer(theirs).ok()) return;
    for (const auto& shard : shards_) {
      shard->gone = true;
      shard->connection.reset();
    }
    gate_.OnDriver(theirs);
  }

  void Serve(std::unique_ptr<link::Connection> taken) {
    Peer* const peer = shards_.emplace_back(std::make_unique<Peer>(std::move(taken))).get();
    peer->connection->Start(
        [this, peer](std::span<const uint8_t> bytes) {
          return peer->inlet.Accept(bytes, [&](link::ExpertRowsFrame& frame) {
            WL_RETURN_IF_ERROR(worker_->Compute(&frame));
            return peer->outlet.Send(frame);
          });
        },
        [this, peer](const absl::Status& why) {
          if (options_.on_remark) {
            options_.on_remark(absl::StrCat("shard disconnected: ", why.message()));
          }
          peer->gone = true;
        });
  }

  ExpertWorker* const worker_;
  const ExpertServerOptions& options_;
  const link::HelloFrame hello_;
  membership::OwnerGate gate_{"worker of experts"};
  link::Reactor reactor_;
  link::PendingPeers pending_;
  std::vector<std::unique_ptr<Peer>> shards_;  // oldest first
};

}  // namespace

absl::Status RunExpertServer(const ExpertServerOptions& options, const std::atomic<bool>& stop) {
  WL_ASSIGN_OR_RETURN(auto file, model::GgufFile::Open(options.model_path));
  const int cores = static_cast<int>(std::thread::hardware_concurrency());
  kernels::ThreadPool pool(options.threads > 0 ? options.threads : std::max(cores, 1));
  const ExpertWorkerOptions& part = options.worker;
  WL_ASSIGN_OR_RETURN(
      const auto model,
      PackedModel::LoadPart(std::move(file),
                            {.layers = part.layers, .experts = part.experts, .only_experts = true},
                            &pool));
  WL_ASSIGN_OR_RETURN(const auto worker, ExpertWorker::Create(model, part, &pool));
  link::HelloFrame hello = HelloFor(link::Role::kExperts, *model, part.layers, /*page_tokens=*/0);
  hello.max_rows = static_cast<uint32_t>(part.max_rows);
  hello.credentials.worker = options.name;
  hello.credentials.incarnation = options.incarnation;
  return ExpertServer(worker.get(), options, hello).Run(stop);
}

}  // namespace waferline::shard
