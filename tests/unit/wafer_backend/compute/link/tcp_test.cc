// Frames over TCP on loopback: both ends on one reactor, so the order of events is the test's.
#include <arpa/inet.h>
#include <dirent.h>
#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <functional>
#include <thread>

#include "tests/unit/wafer_backend/compute/link/random_frames.h"
#include "wafer_backend/compute/link/reactor.h"
#include "wafer_backend/compute/link/typed_link.h"

namespace waferline::link {
namespace {

bool TurnUntil(Reactor* reactor, const std::function<bool()>& done) {
  const Nanoseconds deadline = reactor->Now() + Seconds(20);
  while (!done()) {
    if (reactor->Now() > deadline) return false;
    reactor->Turn(Milliseconds(10));
  }
  return true;
}

// Two ends of one connection.
struct Pair {
  explicit Pair(Reactor* reactor) {
    auto opened = Listener::Open(reactor, "127.0.0.1:0",
                                 [this](auto accepted) { server = std::move(accepted); });
    REQUIRE(opened.ok());
    listener = *std::move(opened);
    ConnectAttempt attempt(reactor, "127.0.0.1:" + std::to_string(listener->port()), Seconds(5),
                           [this](auto result) {
                             if (result.ok()) client = *std::move(result);
                           });
    REQUIRE(TurnUntil(reactor, [this] { return client != nullptr && server != nullptr; }));
  }
  std::unique_ptr<Listener> listener;
  std::unique_ptr<Connection> client;
  std::unique_ptr<Connection> server;
};

size_t OpenDescriptors() {
  size_t count = 0;
  DIR* dir = opendir("/proc/self/fd");
  while (readdir(dir) != nullptr) ++count;
  closedir(dir);
  return count;
}

absl::Status Ignore(std::span<const uint8_t>) { return absl::OkStatus(); }

TEST_CASE("frames of any size arrive whole, in order, counted the same at both ends") {
  Reactor reactor;
  Pair pair(&reactor);
  const uint64_t seed = 2;
  INFO("seed " << seed);
  SeededStream random(seed);
  ActivationOutlet outlet(pair.client.get());
  ActivationInlet inlet;
  std::vector<ActivationFrame> sent, got;
  absl::Status closed;
  pair.server->Start(
      [&](std::span<const uint8_t> bytes) {
        return inlet.Accept(bytes, [&](const ActivationFrame& frame) {
          got.push_back(frame);
          return absl::OkStatus();
        });
      },
      [&](const absl::Status& why) { closed = why; });
  for (int i = 0; i < 300; ++i) {
    ActivationFrame frame = RandomFrame<ActivationFrame>(&random);
    if (i % 50 == 7) {  // megabytes: many reads and writes
      frame.width = 4096;
      frame.rows.resize(300);
    }
    frame.hidden.assign(frame.rows.size() * frame.width, static_cast<float>(i));
    REQUIRE(TurnUntil(&reactor, [&] { return outlet.HasRoom(); }));
    REQUIRE(outlet.Send(frame).ok());
    sent.push_back(std::move(frame));
  }
  REQUIRE(TurnUntil(&reactor, [&] { return got.size() == sent.size(); }));
  REQUIRE(got == sent);
  REQUIRE(inlet.received().payload == outlet.sent().payload);
  REQUIRE(inlet.received().framing == outlet.sent().framing);
  REQUIRE(closed.ok());
}

TEST_CASE("a reader that does not read fills the window, and the sender sees it") {
  Reactor reactor;
  Pair pair(&reactor);
  Outlet<LogitsFrame> outlet(pair.client.get());
  LogitsFrame frame;
  frame.vocabulary = 1 << 20;
  frame.logits.resize(frame.vocabulary);
  int sent = 0;
  while (outlet.HasRoom() && sent < 100) {
    REQUIRE(outlet.Send(frame).ok());
    ++sent;
  }
  REQUIRE(sent < 100);
  REQUIRE(outlet.Send(frame).code() == absl::StatusCode::kResourceExhausted);
  Inlet<LogitsFrame> inlet;
  int got = 0;
  pair.server->Start(
      [&](std::span<const uint8_t> bytes) {
        return inlet.Accept(bytes, [&](const LogitsFrame&) {
          ++got;
          return absl::OkStatus();
        });
      },
      [](const absl::Status&) {});
  REQUIRE(TurnUntil(&reactor, [&] { return got == sent; }));
  REQUIRE(outlet.HasRoom());
}

TEST_CASE("a peer that goes is a status, reported once, and the descriptor comes back") {
  Reactor reactor;
  { Pair first(&reactor); }  // the reactor's own descriptors come with its first connection
  reactor.Turn(Nanoseconds(0));
  const size_t before = OpenDescriptors();
  {
    Pair pair(&reactor);
    int reported = 0;
    absl::Status why;
    pair.client->Start(Ignore, [&](const absl::Status& status) {
      ++reported;
      why = status;
    });
    pair.server.reset();
    REQUIRE(TurnUntil(&reactor, [&] { return reported > 0; }));
    REQUIRE(absl::IsUnavailable(why));
    Outlet<CloseFrame> outlet(pair.client.get());
    REQUIRE(absl::IsUnavailable(outlet.Send(CloseFrame{1})));
    reactor.Turn(Milliseconds(5));
    REQUIRE(reported == 1);
  }
  reactor.Turn(Nanoseconds(0));
  REQUIRE(OpenDescriptors() == before);
}

TEST_CASE("the owner may drop the connection from inside its handlers") {
  Reactor reactor;
  Pair pair(&reactor);
  Outlet<CloseFrame> outlet(pair.client.get());
  int frames = 0;
  pair.server->Start(
      [&](std::span<const uint8_t>) {
        ++frames;
        pair.server.reset();
        return absl::OkStatus();
      },
      [](const absl::Status&) {});
  bool closed = false;
  pair.client->Start(Ignore, [&](const absl::Status&) {
    closed = true;
    pair.client.reset();
  });
  REQUIRE(outlet.Send(CloseFrame{1}).ok());
  REQUIRE(outlet.Send(CloseFrame{2}).ok());
  REQUIRE(TurnUntil(&reactor, [&] { return closed; }));
  REQUIRE(frames == 1);
}

// What somebody who is not a waferd sends.
void SendRaw(uint16_t port, const std::string& bytes) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0) {
    (void)!write(fd, bytes.data(), bytes.size());
  }
  char answer = 0;
  (void)!read(fd, &answer, 1);  // until the other side hangs up
  close(fd);
}

TEST_CASE("bytes that are not frames end the connection with a reason") {
  const std::string bytes = GENERATE(std::string("GET / HTTP/1.1\r\n\r\n"), std::string(40, '\0'),
                                     std::string(40, '\xff'));
  Reactor reactor;
  std::unique_ptr<Connection> connection;
  absl::Status why;
  auto listener = Listener::Open(&reactor, "127.0.0.1:0", [&](auto accepted) {
    connection = std::move(accepted);
    connection->Start(
        [](std::span<const uint8_t> frame) {
          return Inlet<CloseFrame>().Accept(frame, [](const auto&) { return absl::OkStatus(); });
        },
        [&](const absl::Status& status) { why = status; });
  });
  REQUIRE(listener.ok());
  std::thread stranger([&] { SendRaw((*listener)->port(), bytes); });
  const bool reported = TurnUntil(&reactor, [&] { return !why.ok(); });
  connection.reset();
  stranger.join();
  REQUIRE(reported);
  REQUIRE(why.code() == absl::StatusCode::kInvalidArgument);
}

TEST_CASE("connecting fails with the endpoint's name and in bounded time") {
  Reactor reactor;
  const auto outcome = [&](const std::string& endpoint) {
    absl::Status status;
    bool done = false;
    ConnectAttempt attempt(&reactor, endpoint, Milliseconds(200), [&](auto result) {
      status = result.status();
      done = true;
    });
    REQUIRE(TurnUntil(&reactor, [&] { return done; }));
    return status;
  };
  uint16_t free_port = 0;
  {
    auto listener = Listener::Open(&reactor, "127.0.0.1:0", [](auto) {});
    REQUIRE(listener.ok());
    free_port = (*listener)->port();
    // The port is taken now.
    REQUIRE(absl::IsUnavailable(
        Listener::Open(&reactor, "127.0.0.1:" + std::to_string(free_port), [](auto) {}).status()));
  }
  const std::string free_endpoint = "127.0.0.1:" + std::to_string(free_port);
  REQUIRE(absl::IsUnavailable(outcome(free_endpoint)));
  REQUIRE(std::string(outcome(free_endpoint).message()).find(free_endpoint) != std::string::npos);
  for (const char* wrong : {"", "nonsense", ":80", "host:", "host:99999", "host:8x"}) {
    INFO(wrong);
    REQUIRE(absl::IsInvalidArgument(outcome(wrong)));
  }
  // Taken back before it is done: nothing is called.
  bool called = false;
  {
    ConnectAttempt attempt(&reactor, free_endpoint, Seconds(5), [&](auto) { called = true; });
  }
  reactor.Turn(Milliseconds(20));
  REQUIRE_FALSE(called);
}

TEST_CASE("Wake ends a wait from another thread") {
  Reactor reactor;
  const Nanoseconds start = reactor.Now();
  std::thread other([&] { reactor.Wake(); });
  reactor.Turn(Seconds(20));
  other.join();
  REQUIRE(reactor.Now() - start < Seconds(10));
}

}  // namespace
}  // namespace waferline::link
