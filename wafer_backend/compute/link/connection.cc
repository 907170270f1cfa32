#include <algorithm>
#include <cstring>
#include <deque>
#include <optional>
#include <vector>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/strings.h"
#include "wafer_backend/compute/link/frame_codec.h"
#include "wafer_backend/compute/link/reactor_io.h"

namespace waferline::link {

namespace {

absl::Status TooSlow(const std::string& peer, int64_t patience_ms) {
  return absl::UnauthenticatedError(
      absl::StrCat("TLS: ", Absl(tls::Name(tls::Refusal::kTooSlow)), ": ", peer,
                   " did not complete its handshake within ", patience_ms, " ms"));
}

}  // namespace

struct Connection::State : Watched, std::enable_shared_from_this<Connection::State> {
  State(Reactor* turned_by, std::unique_ptr<Socket> connected, bool is_client)
      : reactor(turned_by), socket(std::move(connected)), peer(socket->peer()) {
    const LinkSecurity& security = reactor->io().security;
    if (security.credentials != nullptr) layer.emplace(security, is_client, reactor->Now());
    sent_at = heard_at = reactor->Now();
  }

  struct Handlers {
    OnFrame on_frame;
    OnClosed on_closed;
  };

  void Close(const absl::Status& why) {
    if (!socket->open()) return;
    socket->Close();
    // The owner may drop everything while it is being notified.
    if (const auto keep = std::exchange(handlers, nullptr); keep != nullptr) keep->on_closed(why);
  }
  void CloseFor(const absl::Status& why) {
    Close(absl::UnavailableError(absl::StrCat(peer, " closed the connection: ", why.message())));
  }

  void Beat(Nanoseconds now, const Liveness& liveness) override {
    // What waits to be sent says as much; who has never said a thing is not a peer yet.
    if (!open() || !heard || unsent > 0 || now - sent_at < liveness.interval) return;
    std::vector<uint8_t> beat = kHeartbeat;
    Send(&beat);
  }
  void CheckPeer(Nanoseconds now, const Liveness& liveness) override {
    if (!reading || !open() || now - heard_at <= liveness.patience) return;
    const int64_t patience_ms = liveness.patience / Milliseconds(1);
    if (!secured()) return Close(TooSlow(peer, patience_ms));
    Close(absl::DeadlineExceededError(
        absl::StrCat(peer, " has sent nothing for ", patience_ms, " ms")));
  }
  void Excuse(Nanoseconds now, const Liveness& liveness) override {
    heard_at = std::max(heard_at, now - liveness.patience / 2);
  }
  bool open() const { return socket->open() && !broken; }
  bool secured() const { return !layer || layer->open(); }

  void Begin() {
    if (layer) {
      std::vector<uint8_t> wire;
      const absl::Status status = layer->Begin(&wire);
      Enqueue(&wire);
      if (!status.ok()) return Close(status);
    }
    Read();
  }

  void Read() {
    // Room for what the frame still lacks, a bounded piece at a time: a length alone reserves
    // little. Of a peer that says little only little is expected.
    constexpr size_t kMaxRoom = size_t{1} << 20;
    size_t room = min_room;
    if (in_bytes >= kLengthBytes) {
      if (const auto size = FrameSize(gathered()); size.ok() && *size > in_bytes) {
        room = std::clamp(*size - in_bytes, min_room, kMaxRoom);
      }
    }
    // Memory that was read into is not cleared for the next read.
    std::vector<uint8_t>* const into = layer ? &cipher : &in;
    const size_t had = layer ? 0 : in_bytes;
    if (into->size() < had + room) into->resize(had + room);
    socket->Read(std::span(into->data() + had, room),
                 [self = shared_from_this(), room](const absl::Status& status, size_t got) {
                   if (got == room) self->min_room = std::min(2 * self->min_room, kMaxMinRoom);
                   self->OnBytes(got);
                   if (!self->socket->open()) return;
                   if (!status.ok()) return self->CloseFor(status);
                   if (!self->Decipher(got)) return;
                   if (self->Deliver() && self->socket->open()) self->Read();
                 });
  }

  // What was read joins what is gathered; with TLS, deciphered. False if the connection was closed.
  bool Decipher(size_t got) {
    if (!layer) {
      in_bytes += got;
      return true;
    }
    std::vector<uint8_t> wire;
    in.resize(in_bytes);
    const absl::Status status = layer->Receive(std::span(cipher).first(got), &in, &wire);
    in_bytes = in.size();
    Enqueue(&wire);
    return status.ok() || Refuse(status);
  }

  // A large frame is heard long before it is whole, a peer that sends single bytes rarely is not.
  void OnBytes(size_t count) {
    constexpr size_t kWorthHearing = size_t{64} << 10;
    unheard += count;
    if (unheard >= kWorthHearing) OnHeard();
  }
  void OnHeard() {
    heard = true;
    unheard = 0;
    heard_at = reactor->Now();
  }

  // Hands whole frames on, heartbeats excepted. False if the connection was closed meanwhile.
  bool Deliver() {
    if (!layer && !heard && BeginsTls(gathered())) return RefuseTls();
    size_t at = 0;
    while (in_bytes - at >= kLengthBytes) {
      const std::span<const uint8_t> rest = gathered().subspan(at);
      const auto size = FrameSize(rest);
      if (!size.ok()) return Refuse(size.status());
      if (*size > rest.size()) break;
      at += *size;
      OnHeard();
      if (std::ranges::equal(rest.first(*size), kHeartbeat)) continue;
      const auto keep = handlers;
      if (keep == nullptr) return false;
      const absl::Status status = keep->on_frame(rest.first(*size));
      if (!socket->open()) return false;
      if (!status.ok()) return Refuse(status);
    }
    if (at > 0) std::memmove(in.data(), in.data() + at, in_bytes - at);
    in_bytes -= at;
    return true;
  }

  // The answer is not TLS, so that who tries it sees why.
  bool RefuseTls() {
    if (in[0] == kTlsAlert) {
      return Refuse(absl::UnauthenticatedError(
          "it speaks TLS, and this side plain TCP: a server needs tls: {links: true, ...} in its "
          "configuration, a worker --tls DIR"));
    }
    std::vector<uint8_t> plain = kHeartbeat;
    Enqueue(&plain);
    return Refuse(absl::UnauthenticatedError(
        "it speaks TLS, and this side plain TCP: waferd needs --tls DIR, "
        "or who called must do without"));
  }

  std::span<const uint8_t> gathered() const { return std::span(in).first(in_bytes); }

  bool Refuse(const absl::Status& why) {
    Close(absl::Status(why.code(), absl::StrCat("from ", peer, ": ", why.message())));
    return false;
  }

  // A frame, or what TLS makes of it; leaves memory of an earlier one.
  void Send(std::vector<uint8_t>* frame) {
    if (!layer) return Enqueue(frame);
    std::vector<uint8_t> wire = Spent();
    layer->Send(*frame, &wire);
    frame->clear();
    Enqueue(&wire);
    if (wire.capacity() > 0 && spent.size() < kSpentBuffers) spent.push_back(std::move(wire));
  }

  // What goes to the socket as it is; leaves memory of something earlier.
  void Enqueue(std::vector<uint8_t>* wire) {
    if (wire->empty()) return;
    unsent += wire->size();
    out.push_back(std::move(*wire));
    if (!waiting) Flush();
    *wire = Spent();
  }

  std::vector<uint8_t> Spent() {
    if (spent.empty()) return {};
    std::vector<uint8_t> memory = std::move(spent.back());
    spent.pop_back();
    return memory;
  }

  // Sends without waiting as long as the socket takes bytes, the rest when it is ready again.
  void Flush() {
    while (!out.empty()) {
      const auto sent = socket->Write(std::span(out.front()).subspan(out_at));
      if (!sent.ok()) {
        // The reader will see the same and notify the owner; Push must not call back.
        broken = true;
        return;
      }
      if (*sent == 0) {
        socket->AwaitRoom([self = shared_from_this()](const absl::Status& status) {
          self->waiting = false;
          if (!self->socket->open()) return;
          if (!status.ok()) return self->CloseFor(status);
          self->Flush();
        });
        waiting = true;
        return;
      }
      out_at += *sent;
      unsent -= *sent;
      sent_at = reactor->Now();
      if (out_at < out.front().size()) continue;
      out_at = 0;
      out.front().clear();
      if (spent.size() < kSpentBuffers) spent.push_back(std::move(out.front()));
      out.pop_front();
    }
  }

  static constexpr size_t kSpentBuffers = 4;
  static constexpr size_t kMaxMinRoom = size_t{64} << 10;
  inline static const std::vector<uint8_t> kHeartbeat = HeartbeatBytes();

  Reactor* const reactor;  // outlives its connections
  const std::unique_ptr<Socket> socket;
  const std::string peer;
  std::shared_ptr<Handlers> handlers;
  bool reading = false;
  Nanoseconds sent_at;            // anything
  Nanoseconds heard_at;           // a frame, or much of one
  bool heard = false;             // anything
  size_t unheard = 0;             // bytes since then
  std::optional<TlsLayer> layer;  // none: plain
  std::vector<uint8_t> cipher;    // with TLS: what is read into
  std::vector<uint8_t> in;        // the first in_bytes of it are gathered
  size_t in_bytes = 0;
  size_t min_room = size_t{4} << 10;  // to read into; more once that was not enough
  std::deque<std::vector<uint8_t>> out;
  size_t out_at = 0;  // of the first
  size_t unsent = 0;  // bytes
  bool waiting = false;
  bool broken = false;
  std::vector<std::vector<uint8_t>> spent;
};

std::unique_ptr<Connection> MakeConnection(Reactor* reactor, std::unique_ptr<Socket> socket,
                                           bool is_client) {
  auto state = std::make_shared<Connection::State>(reactor, std::move(socket), is_client);
  reactor->io().watched.push_back(state);
  return std::make_unique<Connection>(std::move(state));
}

Connection::~Connection() {
  state_->handlers = nullptr;
  state_->socket->Close();
}

void Connection::Start(OnFrame on_frame, OnClosed on_closed) {
  state_->handlers =
      std::make_shared<State::Handlers>(State::Handlers{std::move(on_frame), std::move(on_closed)});
  if (state_->reading || !state_->socket->open()) return;
  state_->reading = true;
  state_->Begin();
}

absl::Status Connection::Push(std::vector<uint8_t>* frame) {
  if (!state_->socket->open() || state_->broken) {
    return absl::UnavailableError(absl::StrCat(state_->peer, ": the connection is closed"));
  }
  if (!HasRoom()) {
    return absl::ResourceExhaustedError(absl::StrCat("the link to ", state_->peer, " is full"));
  }
  state_->Send(frame);
  return absl::OkStatus();
}

bool Connection::HasRoom() const {
  const size_t held = state_->layer ? state_->layer->held_bytes() : 0;
  return state_->unsent + held < kWindowBytes;
}
bool Connection::open() const { return state_->open(); }
bool Connection::secured() const { return state_->secured(); }
Nanoseconds Connection::silence() const { return state_->reactor->Now() - state_->heard_at; }
const std::string& Connection::peer() const { return state_->peer; }

}  // namespace waferline::link
