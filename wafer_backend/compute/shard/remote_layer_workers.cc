#include "wafer_backend/compute/shard/remote_layer_workers.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/compute/shard/peer_model.h"

namespace waferline::shard {
namespace {

constexpr Nanoseconds kWaitAtOnce = Milliseconds(200);

}  // namespace

absl::StatusOr<std::unique_ptr<RemoteLayerWorkers>> RemoteLayerWorkers::Connect(
    const Options& options) {
  std::unique_ptr<RemoteLayerWorkers> workers(new RemoteLayerWorkers(options));
  WL_RETURN_IF_ERROR(workers->ConnectAll());
  return workers;
}

template <typename Done>
void RemoteLayerWorkers::TurnUntil(const Peer& peer, Done done) {
  const Nanoseconds deadline = reactor_.Now() + options_.patience;
  while (status_.ok() && !done()) {
    const Nanoseconds left = deadline - reactor_.Now();
    if (left <= Nanoseconds(0)) return Lose(peer, absl::UnavailableError("it is silent"));
    reactor_.Turn(std::min(left, kWaitAtOnce));
    if (options_.on_wait) options_.on_wait();
  }
}

absl::Status RemoteLayerWorkers::ConnectAll() {
  for (const std::string& endpoint : options_.endpoints) {
    Peer* const peer = peers_.emplace_back(std::make_unique<Peer>()).get();
    peer->endpoint = endpoint;
    peer->attempt = std::make_unique<link::ConnectAttempt>(
        &reactor_, endpoint, options_.patience,
        [this, peer](absl::StatusOr<std::unique_ptr<link::Connection>> result) {
          if (!result.ok()) return Lose(*peer, result.status());
          Greet(peer, *std::move(result));
        });
  }
  for (const auto& peer : peers_) {
    TurnUntil(*peer, [&peer] { return peer->greeted; });
  }
  WL_RETURN_IF_ERROR(status_);
  return attention() ? CheckEachLayerOnce() : CheckEachExpertOnce();
}

void RemoteLayerWorkers::Greet(Peer* peer, std::unique_ptr<link::Connection> connection) {
  peer->connection = std::move(connection);
  peer->outlet = std::make_unique<link::LayerRowsOutlet>(peer->connection.get());
  peer->connection->Start(
      [this, peer](std::span<const uint8_t> bytes) { return Accept(peer, bytes); },
      [this, peer](const absl::Status& why) { Lose(*peer, why); });
  // If it cannot be sent, the connection says so.
  (void)link::GreetingOutlet(peer->connection.get()).Send(options_.hello);
}

absl::Status RemoteLayerWorkers::Accept(Peer* peer, std::span<const uint8_t> bytes) {
  if (!peer->greeted) {
    return peer->greeting.Accept(bytes, [&](const link::HelloFrame& hello) {
      peer->hello = hello;
      WL_RETURN_IF_ERROR(CheckHello(*peer));
      peer->greeted = true;
      return absl::OkStatus();
    });
  }
  return peer->inlet.Accept(bytes, [&](link::LayerRowsFrame& answer) {
    WL_RETURN_IF_ERROR(peer->asked.Take(answer));
    std::vector<float> memory;
    if (!peer->spent.empty()) {
      memory = std::move(peer->spent.back());
      peer->spent.pop_back();
    }
    memory.swap(answer.hidden);
    peer->arrived.push_back(std::move(memory));
    return absl::OkStatus();
  });
}

absl::Status RemoteLayerWorkers::CheckHello(const Peer& peer) const {
  const link::HelloFrame& ours = options_.hello;
  const link::HelloFrame& theirs = peer.hello;
  WL_RETURN_IF_ERROR(SameModel(ours, theirs));
  const bool fits = theirs.max_rows >= ours.max_rows;
  if (attention()) {
    if (fits && theirs.role == link::Role::kFeedForward) return absl::OkStatus();
    return absl::FailedPreconditionError(
        absl::StrCat("it is ", link::NameOf(theirs.role), " for steps of ", theirs.max_rows,
                     " rows, not a feed-forward worker for ", ours.max_rows));
  }
  if (fits && theirs.role == link::Role::kExperts && theirs.first_layer <= ours.first_layer &&
      theirs.end_layer >= ours.end_layer && theirs.first_expert < theirs.end_expert &&
      theirs.end_expert <= options_.experts) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(absl::StrCat(
      "it is not a worker of experts below ", options_.experts, ", of layers ", ours.first_layer,
      " to ", ours.end_layer, " (exclusive), for steps of ", ours.max_rows, " rows"));
}

absl::Status RemoteLayerWorkers::CheckEachExpertOnce() const {
  std::vector<ExpertRange> ranges = {{options_.hello.first_expert, options_.hello.end_expert}};
  for (const auto& peer : peers_) ranges.push_back(peer->part().experts);
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

absl::Status RemoteLayerWorkers::CheckEachLayerOnce() const {
  const link::HelloFrame& ours = options_.hello;
  for (int64_t layer = ours.first_layer; layer < ours.end_layer; ++layer) {
    const auto count = std::count_if(peers_.begin(), peers_.end(), [layer](const auto& peer) {
      const LayerRange has = peer->part().layers;
      return layer >= has.first && layer < has.end;
    });
    if (count == 1) continue;
    std::string all;
    for (const auto& peer : peers_) {
      absl::StrAppend(&all, all.empty() ? "" : ", ", peer->endpoint, " with layers ",
                      peer->hello.first_layer, " to ", peer->hello.end_layer);
    }
    return absl::FailedPreconditionError(
        absl::StrCat("layer ", layer, " is on ", count, " of the feed-forward workers (", all,
                     ", exclusive); each of layers ", ours.first_layer, " to ", ours.end_layer,
                     " must be on one"));
  }
  return absl::OkStatus();
}

// Handlers of the connection may be running: it is kept, its peer is not used again.
void RemoteLayerWorkers::Lose(const Peer& peer, const absl::Status& why) {
  if (!status_.ok()) return;
  const auto code = absl::IsFailedPrecondition(why) ? why.code() : absl::StatusCode::kUnavailable;
  const char* const what =
      attention() ? "the feed-forward worker at " : "the worker of experts at ";
  status_ = absl::Status(code, absl::StrCat(what, peer.endpoint, ": ", why.message()));
}

void RemoteLayerWorkers::Send(size_t worker, link::LayerRowsFrame* frame) {
  Peer& peer = *peers_[worker];
  if (!status_.ok()) return;
  TurnUntil(peer, [&peer] { return peer.connection->HasRoom(); });
  if (!status_.ok()) return;
  peer.asked.Ask(frame);
  if (const absl::Status sent = peer.outlet->Send(*frame); !sent.ok()) Lose(peer, sent);
}

void RemoteLayerWorkers::Receive(size_t worker, float* rows) {
  Peer& peer = *peers_[worker];
  TurnUntil(peer, [&peer] { return !peer.arrived.empty(); });
  if (!status_.ok()) return;
  std::copy(peer.arrived.front().begin(), peer.arrived.front().end(), rows);
  peer.spent.push_back(std::move(peer.arrived.front()));
  peer.arrived.pop_front();
}

absl::Status RemoteLayerWorkers::KeepUp() {
  reactor_.Turn(Nanoseconds(0));
  return status_;
}

link::LinkBytes RemoteLayerWorkers::sent() const {
  link::LinkBytes sum;
  for (const auto& peer : peers_) {
    if (peer->outlet != nullptr) sum += peer->outlet->sent();
  }
  return sum;
}

link::LinkBytes RemoteLayerWorkers::received() const {
  link::LinkBytes sum;
  for (const auto& peer : peers_) sum += peer->inlet.received();
  return sum;
}

}  // namespace waferline::shard
