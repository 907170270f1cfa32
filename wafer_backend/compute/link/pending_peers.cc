#include "wafer_backend/compute/link/pending_peers.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"

namespace waferline::link {

namespace {

// Why a peer that waits is closed: `otherwise`, unless it is still in its handshake.
std::string Overdue(const Connection& connection, tls::Refusal handshake,
                    const std::string& otherwise) {
  if (connection.secured()) return absl::StrCat(connection.peer(), ": ", otherwise);
  return absl::StrCat("TLS: ", Absl(tls::Name(handshake)), ": ", connection.peer(),
                      " has not completed its handshake");
}

}  // namespace

PendingPeers::PendingPeers(Reactor* reactor, Events events)
    : reactor_(reactor), events_(std::move(events)) {}

void PendingPeers::Add(std::unique_ptr<Connection> connection) {
  if (peers_.size() == kMaxPeers) {
    Refuse(peers_.front().get(), absl::ResourceExhaustedError(Overdue(
                                     *peers_.front()->connection, tls::Refusal::kTooMany,
                                     "it has said nothing, and others have connected since")));
  }
  Peer* const peer = peers_.emplace_back(std::make_unique<Peer>(std::move(connection))).get();
  peer->since = reactor_->Now();
  peer->connection->Start(
      [this, peer](std::span<const uint8_t> bytes) { return Accept(peer, bytes); },
      [this, peer](const absl::Status& why) { Refuse(peer, why); });
}

void PendingPeers::Watch() {
  detached_.clear();
  while (!peers_.empty() && reactor_->Now() - peers_.front()->since > kPatience) {
    Peer* const oldest = peers_.front().get();
    Refuse(oldest, absl::DeadlineExceededError(Overdue(
                       *oldest->connection, tls::Refusal::kTooSlow,
                       absl::StrCat("it has said nothing for ", ToSeconds(kPatience), " s"))));
  }
}

absl::Status PendingPeers::Accept(Peer* peer, std::span<const uint8_t> bytes) {
  const absl::Status status = peer->inlet.Accept(
      bytes, [this, peer](const HelloFrame& theirs) { return OnHello(peer, theirs); });
  // Bytes that are not a frame come from no worker.
  if (!status.ok() && KindOf(bytes).status().code() != absl::StatusCode::kInvalidArgument) {
    (void)GreetingOutlet(peer->connection.get())
        .Send(RefusedFrame{static_cast<uint32_t>(status.code()), std::string(status.message())});
  }
  return status;
}

absl::Status PendingPeers::OnHello(Peer* peer, const HelloFrame& theirs) {
  WL_RETURN_IF_ERROR(events_.check(theirs));
  WL_RETURN_IF_ERROR(GreetingOutlet(peer->connection.get()).Send(events_.ours()));
  events_.on_greeted(theirs, Detach(peer));
  return absl::OkStatus();
}

void PendingPeers::Refuse(Peer* peer, const absl::Status& why) {
  Detach(peer).reset();
  ++refused_;
  reactor_->vitals()->refused = refused_;
  if (!events_.on_remark) return;
  events_.on_remark(absl::StrCat("connection refused (number ", refused_, "): ", why.message()));
}

std::unique_ptr<Connection> PendingPeers::Detach(Peer* peer) {
  const auto found = std::find_if(peers_.begin(), peers_.end(),
                                  [peer](const auto& other) { return other.get() == peer; });
  auto connection = std::move((*found)->connection);
  detached_.push_back(std::move(*found));
  peers_.erase(found);
  return connection;
}

}  // namespace waferline::link
