#include "wafer_backend/compute/shard/remote_experts.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/check.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/compute/shard/peer_model.h"

namespace waferline::shard {
namespace {

constexpr Nanoseconds kWaitAtOnce = Milliseconds(200);

}  // namespace

absl::StatusOr<std::unique_ptr<RemoteExperts>> RemoteExperts::Connect(const Options& options) {
  std::unique_ptr<RemoteExperts> experts(new RemoteExperts(options));
  WL_RETURN_IF_ERROR(experts->ConnectAll());
  return experts;
}

absl::Status RemoteExperts::ConnectAll() {
  for (const std::string& endpoint : options_.endpoints) {
    Peer* const peer = peers_.emplace_back(std::make_unique<Peer>()).get();
    peer->endpoint = endpoint;
    peer->asked.width = options_.hello.width;
    peer->attempt = std::make_unique<link::ConnectAttempt>(
        &reactor_, endpoint, options_.patience,
        [this, peer](absl::StatusOr<std::unique_ptr<link::Connection>> result) {
          if (!result.ok()) return Lose(*peer, result.status());
          Greet(peer, *std::move(result));
        });
  }
  TurnWhileAny(&Peer::greeted, false);
  WL_RETURN_IF_ERROR(status_);
  return CheckEachOnce();
}

void RemoteExperts::Greet(Peer* peer, std::unique_ptr<link::Connection> connection) {
  peer->connection = std::move(connection);
  peer->outlet = std::make_unique<link::ExpertOutlet>(peer->connection.get());
  peer->connection->Start(
      [this, peer](std::span<const uint8_t> bytes) { return Accept(peer, bytes); },
      [this, peer](const absl::Status& why) { Lose(*peer, why); });
  // If it cannot be sent, the connection says so.
  (void)link::GreetingOutlet(peer->connection.get()).Send(options_.hello);
}

absl::Status RemoteExperts::Accept(Peer* peer, std::span<const uint8_t> bytes) {
  if (!peer->greeted) {
    return peer->greeting.Accept(bytes, [&](const link::HelloFrame& hello) {
      peer->hello = hello;
      WL_RETURN_IF_ERROR(CheckHello(*peer));
      peer->greeted = true;
      return absl::OkStatus();
    });
  }
  return peer->inlet.Accept(bytes, [&](const link::ExpertRowsFrame& answer) -> absl::Status {
    if (!peer->pending || rows_ == nullptr) {
      return absl::InvalidArgumentError("rows that were not asked for");
    }
    const int64_t first = begin_[peer->hello.first_expert];
    WL_RETURN_IF_ERROR(TakeRows(peer->asked, answer, rows_ + first * answer.width));
    peer->pending = false;
    return absl::OkStatus();
  });
}

absl::Status RemoteExperts::CheckHello(const Peer& peer) const {
  const link::HelloFrame& ours = options_.hello;
  const link::HelloFrame& theirs = peer.hello;
  WL_RETURN_IF_ERROR(SameModel(ours, theirs));
  if (theirs.role != link::Role::kExperts || theirs.first_layer > ours.first_layer ||
      theirs.end_layer < ours.end_layer || theirs.max_rows < ours.max_rows ||
      theirs.first_expert >= theirs.end_expert || theirs.end_expert > options_.experts) {
    return absl::FailedPreconditionError(absl::StrCat(
        "it is not a worker of experts below ", options_.experts, ", of layers ", ours.first_layer,
        " to ", ours.end_layer, " (exclusive), for steps of ", ours.max_rows, " rows"));
  }
  return absl::OkStatus();
}

absl::Status RemoteExperts::CheckEachOnce() const {
  std::vector<ExpertRange> ranges = {{options_.hello.first_expert, options_.hello.end_expert}};
  for (const auto& peer : peers_) ranges.push_back(peer->experts());
  std::sort(ranges.begin(), ranges.end(),
            [](ExpertRange a, ExpertRange b) { return a.first < b.first; });
  int64_t next = 0;
  for (const ExpertRange& range : ranges) {
    if (range.first != next) break;
    next = range.end;
  }
  if (next == options_.experts && ranges.back().end == next) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("expert ", next, " of ", options_.experts,
                   " should come next: shard and workers must together have each expert once"));
}

// Handlers of the connection may be running: it is kept, its peer is not used again.
void RemoteExperts::Lose(const Peer& peer, const absl::Status& why) {
  if (!status_.ok()) return;
  const auto code = absl::IsFailedPrecondition(why) ? why.code() : absl::StatusCode::kUnavailable;
  status_ = absl::Status(
      code, absl::StrCat("the worker of experts at ", peer.endpoint, ": ", why.message()));
}

void RemoteExperts::TurnWhileAny(bool Peer::*flag, bool value) {
  const Nanoseconds deadline = reactor_.Now() + options_.patience;
  for (auto& peer : peers_) {
    while (status_.ok() && (*peer).*flag == value) {
      const Nanoseconds left = deadline - reactor_.Now();
      if (left <= Nanoseconds(0)) return Lose(*peer, absl::UnavailableError("it is silent"));
      reactor_.Turn(std::min(left, kWaitAtOnce));
      if (options_.on_wait) options_.on_wait();
    }
  }
}

void RemoteExperts::Start(int64_t layer, std::span<const int64_t> begin, const float* rows) {
  begin_ = begin;
  if (!status_.ok()) return;
  for (auto& peer : peers_) {
    link::ExpertRowsFrame& frame = peer->asked;
    frame.layer = static_cast<uint32_t>(layer);
    peer->pending = FillRows(peer->experts(), begin, rows, &frame);
    if (!peer->pending) continue;
    ++frame.exchange;
    if (const absl::Status sent = peer->outlet->Send(frame); !sent.ok()) return Lose(*peer, sent);
  }
}

void RemoteExperts::Finish(float* rows) {
  rows_ = rows;
  TurnWhileAny(&Peer::pending, true);
  rows_ = nullptr;
}

absl::Status RemoteExperts::KeepUp() {
  reactor_.Turn(Nanoseconds(0));
  return status_;
}

link::LinkBytes RemoteExperts::sent() const {
  link::LinkBytes sum;
  for (const auto& peer : peers_) {
    if (peer->outlet != nullptr) sum += peer->outlet->sent();
  }
  return sum;
}

}  // namespace waferline::shard
