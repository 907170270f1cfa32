#include "wafer_backend/compute/shard/shard_server.h"

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
#include "wafer_backend/compute/shard/remote_experts.h"

namespace waferline::shard {
namespace {

using link::Connection;
constexpr Nanoseconds kConnectPatience = Seconds(5);
constexpr Nanoseconds kIdle = Milliseconds(100);

uint32_t CodeOf(const absl::Status& status) { return static_cast<uint32_t>(status.code()); }

// A connection with its typed ends.
template <typename In, typename Out>
struct Peer {
  explicit Peer(std::unique_ptr<Connection> taken)
      : connection(std::move(taken)), outlet(connection.get()) {}
  std::unique_ptr<Connection> connection;
  In inlet;
  Out outlet;
};
using DriverPeer = Peer<link::ShardFromDriver, link::ShardToDriver>;
using UpstreamPeer = Peer<link::ActivationInlet, link::GreetingOutlet>;
using DownstreamPeer = Peer<link::GreetingInlet, link::ActivationOutlet>;
using PrefillPeer = Peer<link::KvInlet, link::KvReceiptOutlet>;

class ShardServer {
 public:
  // `experts`: how to reach the other experts' workers; no endpoints: there are none.
  ShardServer(Shard* shard, link::HelloFrame hello, RemoteExperts::Options experts)
      : shard_(shard),
        hello_(hello),
        experts_options_(std::move(experts)),
        pending_(&reactor_, hello,
                 {.check = [this](const auto& theirs) { return Check(theirs); },
                  .on_greeted =
                      [this](const auto& theirs, auto connection) {
                        AssignRole(theirs.role, std::move(connection));
                      },
                  .on_remark =
                      [this](const std::string& remark) {
                        if (remark_) remark_(remark);
                      }}) {}

  absl::Status Run(const ShardServerOptions& options, const std::atomic<bool>& stop) {
    WL_ASSIGN_OR_RETURN(const auto listener,
                        link::Listener::Open(&reactor_, options.listen, [this](auto taken) {
                          pending_.Add(std::move(taken));
                        }));
    remark_ = options.on_remark;
    if (options.on_ready) options.on_ready(listener->port());
    while (!stop.load(std::memory_order_relaxed)) {
      reactor_.Turn(kIdle);
      pending_.Watch();
    }
    return absl::OkStatus();
  }

 private:
  void Remark(const char* what, const absl::Status& why) {
    if (remark_) remark_(absl::StrCat(what, ": ", why.message()));
  }

  absl::Status Check(const link::HelloFrame& theirs) const {
    WL_RETURN_IF_ERROR(SameModel(hello_, theirs));
    if (theirs.role == link::Role::kNeighbour && theirs.end_layer != hello_.first_layer) {
      return absl::FailedPreconditionError(absl::StrCat("a neighbour that ends before layer ",
                                                        theirs.end_layer, ", this shard begins at ",
                                                        hello_.first_layer));
    }
    if (theirs.role == link::Role::kExperts) {
      return absl::InvalidArgumentError("workers of experts do not connect to shards");
    }
    if (theirs.role != link::Role::kShard) return absl::OkStatus();
    return absl::InvalidArgumentError(
        "role shard is not for connecting: a shard connects as a neighbour");
  }

  // Gives a connection the links of its role.
  void AssignRole(link::Role role, std::unique_ptr<Connection> connection) {
    if (role == link::Role::kDriver) return AssignDriver(std::move(connection));
    if (role == link::Role::kNeighbour) return AssignUpstream(std::move(connection));
    prefill_ = std::make_unique<PrefillPeer>(std::move(connection));
    prefill_->connection->Start(
        [this](std::span<const uint8_t> bytes) {
          return prefill_->inlet.Accept(
              bytes, [this](const link::KvFrame& frame) { return TakePages(frame); });
        },
        [this](const absl::Status& why) {
          Remark("prefill worker disconnected", why);
          prefill_.reset();
        });
  }

  void AssignUpstream(std::unique_ptr<Connection> connection) {
    upstream_ = std::make_unique<UpstreamPeer>(std::move(connection));
    upstream_->connection->Start(
        [this](std::span<const uint8_t> bytes) {
          return upstream_->inlet.Accept(bytes, [this](link::ActivationFrame& frame) {
            Finish(shard_->Step(&frame), frame);
            return absl::OkStatus();
          });
        },
        [this](const absl::Status& why) {
          Remark("upstream shard disconnected", why);
          upstream_.reset();
        });
  }

  // A new driver replaces the last, which may hang, and frees everything it held.
  void AssignDriver(std::unique_ptr<Connection> connection) {
    DropDriver();
    driver_ = std::make_unique<DriverPeer>(std::move(connection));
    driver_->connection->Start(
        [this](std::span<const uint8_t> bytes) {
          return driver_->inlet.Accept(bytes,
                                       [this](const auto& frame) { return HandleControl(frame); });
        },
        [this](const absl::Status& why) {
          Remark("driver disconnected", why);
          DropDriver();
        });
  }

  void DropDriver() {
    driver_.reset();
    joining_.reset();
    downstream_.reset();
    shard_->CloseAll();
    shard_->SetOtherExperts(nullptr);
    experts_.reset();
  }

  absl::Status HandleControl(const link::OpenFrame& open) {
    return Answer(link::AnswerFrame::To::kOpen, open.job,
                  shard_->Open(open.slot, open.positions, open.job));
  }

  absl::Status HandleControl(const link::CloseFrame& close) {
    shard_->Close(close.slot);
    return absl::OkStatus();
  }

  absl::Status HandleControl(const link::AskMemoryFrame&) {
    link::MemoryFrame frame = shard_->Report();
    if (downstream_ != nullptr) {
      const link::LinkBytes& sent = downstream_->outlet.sent();
      frame.sent_frames = sent.frames;
      frame.sent_payload = sent.payload;
      frame.sent_framing = sent.framing;
    }
    return driver_->outlet.Send(frame);
  }

  absl::Status HandleControl(const link::PingFrame&) {
    return Answer(link::AnswerFrame::To::kPing, 0, absl::OkStatus());
  }

  absl::Status HandleControl(const link::TokenFrame& tokens) {
    Finish(shard_->Step(tokens, &activations_), activations_);
    return absl::OkStatus();
  }

  absl::Status HandleControl(const link::JoinFrame& join) {
    downstream_.reset();
    joining_.reset();
    if (const absl::Status status = ConnectExperts(); !status.ok()) {
      return Answer(link::AnswerFrame::To::kJoin, 0, status);
    }
    if (join.next_endpoint.empty()) {
      const bool last = shard_->last();
      return Answer(link::AnswerFrame::To::kJoin, 0,
                    last ? absl::OkStatus()
                         : absl::FailedPreconditionError(
                               "this is not the last shard, but no next endpoint was given"));
    }
    joining_ = std::make_unique<link::ConnectAttempt>(
        &reactor_, join.next_endpoint, kConnectPatience,
        [this](absl::StatusOr<std::unique_ptr<Connection>> result) {
          if (!result.ok()) {
            (void)Answer(link::AnswerFrame::To::kJoin, 0, result.status());
            return;
          }
          Greet(*std::move(result));
        });
    return absl::OkStatus();
  }

  absl::Status ConnectExperts() {
    shard_->SetOtherExperts(nullptr);
    if (experts_options_.endpoints.empty()) return absl::OkStatus();
    WL_ASSIGN_OR_RETURN(experts_, RemoteExperts::Connect(experts_options_));
    shard_->SetOtherExperts(experts_.get());
    return absl::OkStatus();
  }

  void Greet(std::unique_ptr<Connection> connection) {
    downstream_ = std::make_unique<DownstreamPeer>(std::move(connection));
    link::HelloFrame hello = hello_;
    hello.role = link::Role::kNeighbour;
    link::GreetingOutlet greeting(downstream_->connection.get());
    downstream_->connection->Start(
        [this](std::span<const uint8_t> bytes) {
          return downstream_->inlet.Accept(bytes, [this](const link::HelloFrame& theirs) {
            WL_RETURN_IF_ERROR(SameModel(hello_, theirs));
            return Answer(link::AnswerFrame::To::kJoin, 0, absl::OkStatus());
          });
        },
        [this](const absl::Status& why) {
          Remark("downstream shard disconnected", why);
          downstream_.reset();
          (void)Answer(link::AnswerFrame::To::kJoin, 0,
                       absl::UnavailableError(absl::StrCat("the next shard: ", why.message())));
        });
    (void)greeting.Send(hello);  // if it cannot be sent, the connection says so
  }

  absl::Status TakePages(const link::KvFrame& frame) {
    const absl::Status status = shard_->Receive(frame);
    if (!frame.last && status.ok()) return absl::OkStatus();
    return prefill_->outlet.Send(
        link::KvReceivedFrame{frame.job, CodeOf(status), std::string(status.message())});
  }

  // Where a step goes from here: on to the next shard, or back as logits.
  void Finish(absl::Status status, const link::ActivationFrame& frame) {
    if (status.ok() && shard_->last()) {
      status = shard_->Head(frame, &logits_);
      if (status.ok() && driver_ != nullptr) status = driver_->outlet.Send(logits_);
    } else if (status.ok()) {
      status = downstream_ != nullptr
                   ? downstream_->outlet.Send(frame)
                   : absl::UnavailableError("the downstream shard is not connected");
    }
    if (!status.ok()) (void)Answer(link::AnswerFrame::To::kStep, frame.step, status);
  }

  absl::Status Answer(link::AnswerFrame::To to, uint64_t subject, const absl::Status& status) {
    if (driver_ == nullptr) return absl::OkStatus();
    return driver_->outlet.Send(
        link::AnswerFrame{to, subject, CodeOf(status), std::string(status.message())});
  }

  std::function<void(const std::string&)> remark_;
  Shard* const shard_;
  const link::HelloFrame hello_;
  const RemoteExperts::Options experts_options_;
  link::Reactor reactor_;
  link::PendingPeers pending_;
  std::unique_ptr<DriverPeer> driver_;
  std::unique_ptr<UpstreamPeer> upstream_;
  std::unique_ptr<link::ConnectAttempt> joining_;
  std::unique_ptr<DownstreamPeer> downstream_;
  std::unique_ptr<PrefillPeer> prefill_;
  std::unique_ptr<RemoteExperts> experts_;
  link::ActivationFrame activations_;
  link::LogitsFrame logits_;
};

}  // namespace

absl::Status RunShardServer(const ShardServerOptions& options, const std::atomic<bool>& stop) {
  WL_ASSIGN_OR_RETURN(auto file, model::GgufFile::Open(options.model_path));
  const int cores = static_cast<int>(std::thread::hardware_concurrency());
  kernels::ThreadPool pool(options.threads > 0 ? options.threads : std::max(cores, 1));
  const ShardOptions& part = options.shard;
  WL_ASSIGN_OR_RETURN(const auto model,
                      PackedModel::LoadPart(
                          std::move(file), {.layers = part.range, .experts = part.experts}, &pool));
  WL_ASSIGN_OR_RETURN(const auto shard, Shard::Create(model, part, &pool));
  const int64_t experts = model->shape().experts.router.experts;
  if (options.expert_workers.empty() && model->experts().count() < experts) {
    return absl::InvalidArgumentError(
        "a shard without all experts needs the workers of the others");
  }
  link::HelloFrame hello = HelloFor(link::Role::kShard, *model, part.range, part.page_tokens);
  hello.slots = part.slots;
  hello.max_rows = static_cast<uint32_t>(part.max_rows);
  return ShardServer(shard.get(), hello,
                     {.endpoints = options.expert_workers,
                      .hello = hello,
                      .experts = experts,
                      .patience = options.expert_patience})
      .Run(options, stop);
}

}  // namespace waferline::shard
