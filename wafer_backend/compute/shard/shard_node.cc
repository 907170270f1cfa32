#include "wafer_backend/compute/shard/shard_node.h"

#include <span>
#include <type_traits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/compute/link/sent_status.h"
#include "wafer_backend/compute/shard/peer_model.h"

namespace waferline::shard {
namespace {

constexpr uint64_t kNextShard = link::AnswerFrame::kNextShard;

}  // namespace

ShardNode::ShardNode(Parts parts)
    : parts_(std::move(parts)),
      pending_(parts_.reactor,
               {.check = [this](const auto& theirs) { return Check(theirs); },
                .ours = [this] { return Hello(); },
                .on_greeted = [this](const auto& theirs,
                                     auto taken) { AssignRole(theirs, std::move(taken)); },
                .on_remark = parts_.on_remark}),
      loader_(parts_.load, [reactor = parts_.reactor] { reactor->Wake(); }) {}

void ShardNode::Watch() {
  pending_.Watch();
  TakeLoaded();
  parts_.reactor->vitals()->owned = gate_.owned();
  parts_.reactor->vitals()->loading = loader_.busy();
  if (workers_ == nullptr) return;
  const absl::Status workers = workers_->KeepUp();
  if (workers.ok()) return;
  Remark("workers", workers);
  if (shard_ != nullptr) shard_->SetWorkers(nullptr);
  workers_.reset();
  // The driver joins the shards again.
  (void)Answer(link::AnswerFrame::To::kStep, 0, absl::UnavailableError(workers.message()));
}

void ShardNode::Remark(const char* what, const absl::Status& why) {
  if (parts_.on_remark) parts_.on_remark(absl::StrCat(what, ": ", why.message()));
}

link::HelloFrame ShardNode::Hello() const {
  link::HelloFrame hello = hello_;
  hello.credentials.cell = gate_.last().cell;
  hello.credentials.fence = gate_.last().fence;
  return hello;
}

link::HelloFrame ShardNode::HelloAs(link::Role role) const {
  link::HelloFrame hello = hello_;
  hello.role = role;
  hello.credentials = gate_.last();
  return hello;
}

absl::Status ShardNode::Check(const link::HelloFrame& theirs) const {
  WL_RETURN_IF_ERROR(SameModel(hello_, theirs));
  if (theirs.role == link::Role::kDriver) return gate_.CheckDriver(theirs.credentials);
  if (theirs.role != link::Role::kNeighbour && theirs.role != link::Role::kPrefill) {
    return absl::FailedPreconditionError(
        absl::StrCat("only a driver, a neighbour and a prefill worker connect to ",
                     link::NameOf(hello_.role), ", not ", link::NameOf(theirs.role)));
  }
  if (shard_ == nullptr) return absl::UnavailableError("this shard has no layers yet");
  if (theirs.role == link::Role::kNeighbour && theirs.end_layer != hello_.first_layer) {
    return absl::FailedPreconditionError(absl::StrCat("a neighbour that ends before layer ",
                                                      theirs.end_layer, ", this shard begins at ",
                                                      hello_.first_layer));
  }
  return gate_.CheckPeer(theirs.credentials);
}

void ShardNode::AssignRole(const link::HelloFrame& theirs,
                           std::unique_ptr<link::Connection> connection) {
  if (theirs.role == link::Role::kDriver) {
    AssignDriver(theirs.credentials, std::move(connection));
  } else if (theirs.role == link::Role::kNeighbour) {
    AssignUpstream(std::move(connection));
  } else {
    AssignPrefill(std::move(connection));
  }
}

void ShardNode::AssignPrefill(std::unique_ptr<link::Connection> connection) {
  if (prefill_.size() == kMaxPrefill) prefill_.erase(prefill_.begin());
  PrefillPeer* const peer =
      prefill_.emplace_back(std::make_unique<PrefillPeer>(std::move(connection))).get();
  peer->connection->Start(
      [this, peer](std::span<const uint8_t> bytes) {
        return peer->inlet.Accept(
            bytes, [this, peer](const link::KvFrame& frame) { return TakePages(peer, frame); });
      },
      [this, peer](const absl::Status& why) {
        Remark("prefill worker disconnected", why);
        std::erase_if(prefill_, [peer](const auto& each) { return each.get() == peer; });
      });
}

void ShardNode::AssignUpstream(std::unique_ptr<link::Connection> connection) {
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

void ShardNode::AssignDriver(const membership::Credentials& theirs,
                             std::unique_ptr<link::Connection> connection) {
  DropDriver();
  gate_.OnDriver(theirs);
  if (parts_.on_driver) parts_.on_driver(theirs.fence.epoch);
  driver_ = std::make_unique<DriverPeer>(std::move(connection));
  driver_->connection->Start(
      [this](std::span<const uint8_t> bytes) {
        return driver_->inlet.Accept(bytes, [this](const auto& frame) { return OnControl(frame); });
      },
      [this](const absl::Status& why) {
        Remark("driver disconnected", why);
        DropDriver();
      });
}

void ShardNode::DropDownstream() {
  if (downstream_ != nullptr) sent_before_ += downstream_->outlet.sent();
  downstream_.reset();
}

void ShardNode::DropDriver() {
  gate_.OnDriverGone();
  driver_.reset();
  upstream_.reset();
  joining_.reset();
  DropDownstream();
  prefill_.clear();
  if (shard_ != nullptr) {
    shard_->CloseAll();
    shard_->SetWorkers(nullptr);
  }
  workers_.reset();
}

template <typename Frame>
absl::Status ShardNode::OnControl(const Frame& frame) {
  if (shard_ == nullptr && !std::is_same_v<Frame, link::AssignFrame>) {
    return absl::FailedPreconditionError("this shard has no layers yet; assign some first");
  }
  return HandleControl(frame);
}

absl::Status ShardNode::HandleControl(const link::OpenFrame& open) {
  return Answer(link::AnswerFrame::To::kOpen, open.job,
                shard_->Open(open.slot, open.positions, open.job));
}

absl::Status ShardNode::HandleControl(const link::CloseFrame& close) {
  shard_->Close(close.slot);
  return absl::OkStatus();
}

absl::Status ShardNode::HandleControl(const link::AskMemoryFrame&) {
  link::MemoryFrame frame = shard_->Report();
  link::LinkBytes sent = sent_before_;
  if (downstream_ != nullptr) sent += downstream_->outlet.sent();
  frame.sent_frames = sent.frames;
  frame.sent_payload = sent.payload;
  frame.sent_framing = sent.framing;
  return driver_->outlet.Send(frame);
}

absl::Status ShardNode::HandleControl(const link::TokenFrame& tokens) {
  Finish(shard_->Step(tokens, &activations_), activations_);
  return absl::OkStatus();
}

absl::Status ShardNode::HandleControl(const link::JoinFrame& join) {
  DropDownstream();
  joining_.reset();
  if (const absl::Status status = ConnectWorkers(); !status.ok()) {
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
      parts_.reactor, join.next_endpoint, parts_.workers.liveness.patience,
      [this](absl::StatusOr<std::unique_ptr<link::Connection>> result) {
        if (!result.ok()) {
          (void)Answer(link::AnswerFrame::To::kJoin, kNextShard, result.status());
          return;
        }
        Greet(*std::move(result));
      });
  return absl::OkStatus();
}

absl::Status ShardNode::ConnectWorkers() {
  shard_->SetWorkers(nullptr);
  if (parts_.workers.endpoints.empty()) return absl::OkStatus();
  RemoteLayerWorkers::Options options = parts_.workers;
  options.hello = HelloAs(hello_.role);
  options.on_wait = [this] { parts_.reactor->Beat(); };
  WL_ASSIGN_OR_RETURN(workers_, RemoteLayerWorkers::Connect(options));
  shard_->SetWorkers(workers_.get());
  return absl::OkStatus();
}

void ShardNode::Greet(std::unique_ptr<link::Connection> connection) {
  downstream_ = std::make_unique<DownstreamPeer>(std::move(connection));
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
        DropDownstream();
        (void)Answer(link::AnswerFrame::To::kJoin, kNextShard,
                     absl::UnavailableError(absl::StrCat("the next shard: ", why.message())));
      });
  (void)greeting.Send(
      HelloAs(link::Role::kNeighbour));  // if it cannot be sent, the connection says so
}

absl::Status ShardNode::TakePages(PrefillPeer* peer, const link::KvFrame& frame) {
  const absl::Status status = shard_->Receive(frame);
  if (!frame.last && status.ok()) return absl::OkStatus();
  return peer->outlet.Send(
      link::KvReceivedFrame{frame.job, link::CodeOf(status), std::string(status.message())});
}

void ShardNode::Finish(absl::Status status, const link::ActivationFrame& frame) {
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

absl::Status ShardNode::Answer(link::AnswerFrame::To to, uint64_t subject,
                               const absl::Status& status) {
  if (driver_ == nullptr) return absl::OkStatus();
  return driver_->outlet.Send(
      link::AnswerFrame{to, subject, link::CodeOf(status), std::string(status.message())});
}

}  // namespace waferline::shard
