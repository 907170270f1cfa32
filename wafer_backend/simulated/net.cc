#include "wafer_backend/simulated/net.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/simulated/net_ends.h"
#include "wafer_backend/simulated/world.h"

namespace waferline::simulated {
namespace {

// TCP's first retransmission comes after some 200 ms, each next one after twice as long.
constexpr Nanoseconds kRetransmission = Milliseconds(200);
constexpr Nanoseconds kMaxRetransmission = Seconds(2);
constexpr size_t kPacketBytes = 1460;

}  // namespace

Net::~Net() = default;

Node Net::AddNode(const std::string& name) {
  nodes_.push_back(name);
  return static_cast<Node>(nodes_.size() - 1);
}

absl::StatusOr<Node> Net::NodeOf(const std::string& endpoint) const {
  const auto found =
      std::find(nodes_.begin(), nodes_.end(), endpoint.substr(0, endpoint.find(':')));
  if (found != nodes_.end()) return static_cast<Node>(found - nodes_.begin());
  return absl::InvalidArgumentError(absl::StrCat("there is no node \"", endpoint, "\""));
}

Nanoseconds Net::Arrival(Node from, Node to) {
  const Conditions& conditions = conditions_[{from, to}];
  ++figures_.packets;
  Nanoseconds at = world_->Now() + world_->DrawTime(conditions.min_delay, conditions.max_delay);
  Nanoseconds wait = kRetransmission;
  while (conditions.lost_one_in > 0 && world_->OneIn(conditions.lost_one_in)) {
    ++figures_.lost;
    at += wait;
    wait = std::min(wait + wait, kMaxRetransmission);
  }
  if (at < conditions.cut_until) {
    ++figures_.cut;
    at = conditions.cut_until + world_->DrawTime(conditions.min_delay, kRetransmission);
  }
  return at;
}

std::pair<std::shared_ptr<Net::End>, std::shared_ptr<Net::End>> Net::MakeStream(
    SimNetwork* client, SimNetwork* server) {
  auto here = std::make_shared<End>(), there = std::make_shared<End>();
  for (const auto& [end, network, other] :
       {std::tuple(here, client, there), std::tuple(there, server, here)}) {
    end->network = network;
    end->node = network->node();
    end->other = other;
    end->peer = absl::StrCat(nodes_[end == here ? server->node() : client->node()], ":1");
    end->open = true;
  }
  std::erase_if(ends_, [](const auto& each) { return each.expired(); });
  ends_.push_back(here);
  ends_.push_back(there);
  return {here, there};
}

void Net::OnSyn(const std::shared_ptr<Attempt>& attempt) {
  const auto listening = listening_.find(attempt->to);
  const bool is_silent = listening == listening_.end() && silent_[attempt->to];
  if (is_silent) return;  // no one answers
  const Nanoseconds back = Arrival(attempt->to, attempt->from);
  if (listening == listening_.end()) {
    ++figures_.refused;
    world_->At(back, [this, attempt] {
      Answer(attempt, absl::UnavailableError("Connection refused"), nullptr);
    });
    return;
  }
  if (attempt->network == nullptr) return;
  const auto [here, there] = MakeStream(attempt->network, listening->second.network);
  attempt->end = here;
  listening->second.network->Post(
      [this, to = attempt->to, network = listening->second.network, there = there] {
        // Unless it stopped to listen before it came to this.
        const auto still = listening_.find(to);
        if (still == listening_.end() || still->second.network != network)
          return CloseEnd(there.get());
        const auto on_accepted = still->second.on_accepted;
        on_accepted(std::make_unique<SimSocket>(this, there));
      });
  world_->At(back, [this, attempt, here = here] { Answer(attempt, absl::OkStatus(), here); });
}

void Net::Answer(const std::shared_ptr<Attempt>& attempt, absl::Status status,
                 std::shared_ptr<End> end) {
  if (attempt->network == nullptr || attempt->answered) {
    if (end != nullptr) CloseEnd(end.get());
    return;
  }
  attempt->answered = true;
  attempt->network->Post([this, attempt, status = std::move(status), end] {
    if (attempt->network == nullptr) {
      if (end != nullptr) CloseEnd(end.get());
      return;
    }
    attempt->network = nullptr;
    const auto done = std::exchange(attempt->done, nullptr);
    if (status.ok()) return done(std::make_unique<SimSocket>(this, end));
    done(absl::UnavailableError(
        absl::StrCat("cannot connect to ", attempt->endpoint, ": ", status.message())));
  });
}

void Net::Deliver(const std::shared_ptr<End>& to, std::vector<uint8_t> bytes) {
  const std::shared_ptr<End> from = to->other.lock();
  to->in_flight -= bytes.size();
  if (!to->open || to->network == nullptr) {
    // As a host answers to bytes for a socket that it does not have.
    if (from == nullptr || silent_[to->node]) return;
    world_->At(Arrival(to->node, from->node),
               [this, from] { Finish(from, "Connection reset by peer"); });
    return;
  }
  to->in.insert(to->in.end(), bytes.begin(), bytes.end());
  CompleteRead(to.get());
}

void Net::Finish(const std::shared_ptr<End>& end, const char* why) {
  if (!end->open || !end->over.empty()) return;
  end->over = why;
  CompleteRead(end.get());
  OfferRoom(end.get());
}

// The other end learns of it when all that was sent before has arrived.
void Net::CloseEnd(End* end) {
  if (!std::exchange(end->open, false)) return;
  end->read_done = nullptr;
  end->room_done = nullptr;
  const std::shared_ptr<End> other = end->other.lock();
  if (other == nullptr || end->cut_off) return;
  const Nanoseconds at = std::max(other->last_arrival, Arrival(end->node, other->node));
  other->last_arrival = at;
  world_->At(at, [this, other] { Finish(other, "End of file"); });
}

void Net::CompleteRead(End* end) {
  if (end->read_done == nullptr || end->network == nullptr) return;
  if (end->in.empty() && end->over.empty()) return;
  size_t count = std::min(end->in.size(), end->read_room.size());
  const std::shared_ptr<End> other = end->other.lock();
  const uint64_t cut = other == nullptr ? 0 : conditions_[{other->node, end->node}].cut_one_in;
  if (count > 1 && cut > 0 && world_->OneIn(cut)) {
    ++figures_.pieces;
    count = 1 + world_->Draw(count - 1);
  }
  std::copy_n(end->in.begin(), count, end->read_room.begin());
  end->in.erase(end->in.begin(), end->in.begin() + static_cast<ptrdiff_t>(count));
  const absl::Status status = count > 0 ? absl::OkStatus() : absl::UnavailableError(end->over);
  end->network->Post(
      [self = end->weak_from_this(), done = std::exchange(end->read_done, nullptr), status, count] {
        const auto alive = self.lock();
        if (alive != nullptr && alive->open) done(status, count);
      });
  if (count > 0 && other != nullptr) OfferRoom(other.get());
}

void Net::OfferRoom(End* end) {
  if (end->room_done == nullptr || end->network == nullptr) return;
  const std::shared_ptr<End> other = end->other.lock();
  const bool full = other != nullptr && other->open && other->held() >= kWindowBytes;
  if (full && end->over.empty()) return;
  const absl::Status status =
      end->over.empty() ? absl::OkStatus() : absl::UnavailableError(end->over);
  end->network->Post(
      [self = end->weak_from_this(), done = std::exchange(end->room_done, nullptr), status] {
        const auto alive = self.lock();
        if (alive != nullptr && alive->open) done(status);
      });
}

void Net::ResetOne(Node a, Node b) {
  std::vector<std::shared_ptr<End>> between;
  for (const auto& each : ends_) {
    const auto end = each.lock();
    const auto other = end == nullptr ? nullptr : end->other.lock();
    if (other != nullptr && end->open && end->node == a && other->node == b) between.push_back(end);
  }
  if (between.empty()) return;
  ++figures_.resets;
  const auto end = between[world_->Draw(between.size())];
  Finish(end, "Connection reset by peer");
  Finish(end->other.lock(), "Connection reset by peer");
}

void Net::OnDeath(Process* process) {
  std::erase_if(listening_, [process](const auto& entry) {
    return entry.second.network->process() == process;
  });
  const auto ends = ends_;
  for (const auto& each : ends) {
    const auto end = each.lock();
    if (end == nullptr || end->network == nullptr || end->network->process() != process) continue;
    const std::shared_ptr<End> other = end->other.lock();
    if (end->open && other != nullptr && !silent_[process->node]) {
      const Nanoseconds at = std::max(other->last_arrival, Arrival(end->node, other->node));
      world_->At(at, [this, other] { Finish(other, "Connection reset by peer"); });
    }
    end->cut_off = true;
    Finish(end, "the process was killed");
  }
}

size_t Net::open_connections() const {
  size_t count = 0;
  for (const auto& each : ends_) {
    const auto end = each.lock();
    if (end != nullptr && end->open) ++count;
  }
  return count;
}

// Net::SimSocket

absl::StatusOr<size_t> Net::SimSocket::Write(std::span<const uint8_t> bytes) {
  if (!end_->open || !end_->over.empty()) return absl::UnavailableError("Broken pipe");
  const std::shared_ptr<End> other = end_->other.lock();
  if (other == nullptr || end_->cut_off) return bytes.size();  // into the void
  const size_t room = kWindowBytes - std::min(kWindowBytes, other->held());
  size_t count = std::min(bytes.size(), room);
  if (count == 0) return size_t{0};
  const Conditions& conditions = net_->conditions_[{end_->node, other->node}];
  if (count > 1 && conditions.cut_one_in > 0 && net_->world_->OneIn(conditions.cut_one_in)) {
    ++net_->figures_.pieces;
    count = 1 + net_->world_->Draw(std::min(count - 1, kPacketBytes));
  }
  if (net_->on_frame_) {
    end_->sent.Take(bytes.first(count),
                    [&](uint8_t kind) { net_->on_frame_(end_->node, other->node, kind); });
  }
  Nanoseconds at = net_->Arrival(end_->node, other->node);
  if (at < other->last_arrival) {
    ++net_->figures_.overtaken;
    at = other->last_arrival;
  }
  const size_t piece = conditions.trickle > Nanoseconds(0) ? 1 : count;
  for (size_t sent = 0; sent < count; sent += piece) {
    if (sent > 0) at = at + conditions.trickle;
    const auto begin = bytes.begin() + static_cast<ptrdiff_t>(sent);
    net_->world_->At(at,
                     [net = net_, other,
                      packet = std::vector<uint8_t>(begin, begin + static_cast<ptrdiff_t>(piece))] {
                       net->Deliver(other, packet);
                     });
  }
  other->last_arrival = at;
  other->in_flight += count;
  return count;
}

void Net::SimSocket::Read(std::span<uint8_t> room, OnRead done) {
  end_->read_room = room;
  end_->read_done = std::move(done);
  net_->CompleteRead(end_.get());
}

void Net::SimSocket::AwaitRoom(OnRoom done) {
  end_->room_done = std::move(done);
  net_->OfferRoom(end_.get());
}

}  // namespace waferline::simulated
