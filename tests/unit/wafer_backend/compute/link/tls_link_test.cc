// Links over TLS on loopback: frames pass as they do over plain TCP, and who may not call is
// refused by name at the end that decides.
#include <catch2/catch.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/tls_lab.h"
#include "tests/unit/wafer_backend/compute/link/random_frames.h"
#include "wafer_backend/compute/link/reactor.h"
#include "wafer_backend/compute/link/typed_link.h"

namespace waferline::link {
namespace {

using testing::Lab;

std::shared_ptr<tls::Credentials> Shared(const std::string& folder) {
  return testing::CredentialsOf(folder);
}

// A listener and a caller, each on a reactor of its own; both are turned by the test.
struct TlsPair {
  TlsPair(const LinkSecurity& listening, const LinkSecurity& calling)
      : server_loop({}, listening), client_loop({}, calling) {
    auto opened = Listener::Open(&server_loop, "127.0.0.1:0",
                                 [this](auto accepted) { server = std::move(accepted); });
    REQUIRE(opened.ok());
    listener = *std::move(opened);
    ConnectAttempt attempt(&client_loop, "127.0.0.1:" + std::to_string(listener->port()),
                           Seconds(5), [this](auto result) {
                             if (result.ok()) client = *std::move(result);
                           });
    REQUIRE(TurnUntil([this] { return client != nullptr && server != nullptr; }));
  }
  bool TurnUntil(const std::function<bool()>& done) {
    const Nanoseconds deadline = server_loop.Now() + Seconds(20);
    while (!done()) {
      if (server_loop.Now() > deadline) return false;
      server_loop.Turn(Milliseconds(1));
      client_loop.Turn(Milliseconds(1));
    }
    return true;
  }
  // Starts both; why each was closed.
  void Start(Connection::OnFrame on_server_frame) {
    server->Start(std::move(on_server_frame),
                  [this](const absl::Status& why) { server_closed = why; });
    client->Start([](std::span<const uint8_t>) { return absl::OkStatus(); },
                  [this](const absl::Status& why) { client_closed = why; });
  }

  Reactor server_loop, client_loop;
  std::unique_ptr<Listener> listener;
  std::unique_ptr<Connection> server, client;
  absl::Status server_closed, client_closed;
};

absl::Status IgnoreFrame(std::span<const uint8_t>) { return absl::OkStatus(); }

TEST_CASE("frames pass over TLS, also those pushed before the handshake is complete") {
  const Lab lab;
  TlsPair pair({Shared(lab.Issue(tls::Role::kWorker, "w")), tls::Door::kShard},
               {Shared(lab.Issue(tls::Role::kFrontend)), tls::Door::kShard});
  SeededStream random(3);
  ActivationOutlet outlet(pair.client.get());
  ActivationInlet inlet;
  std::vector<ActivationFrame> sent, got;
  for (int i = 0; i < 100; ++i) {
    ActivationFrame frame = RandomFrame<ActivationFrame>(&random);
    if (i % 25 == 7) {
      frame.width = 4096;
      frame.rows.resize(200);
    }
    frame.hidden.assign(frame.rows.size() * frame.width, static_cast<float>(i));
    if (i == 5) {
      pair.Start([&](std::span<const uint8_t> bytes) {
        return inlet.Accept(bytes, [&](const ActivationFrame& each) {
          got.push_back(each);
          return absl::OkStatus();
        });
      });
    }
    REQUIRE(pair.TurnUntil([&] { return outlet.HasRoom(); }));
    REQUIRE(outlet.Send(frame).ok());
    sent.push_back(std::move(frame));
  }
  REQUIRE(pair.TurnUntil([&] { return got.size() == sent.size(); }));
  CHECK(got == sent);
  CHECK(inlet.received().payload == outlet.sent().payload);
  CHECK(pair.server_closed.ok());
}

TEST_CASE("who may not call is refused by name") {
  const Lab lab;
  const auto worker = Shared(lab.Issue(tls::Role::kWorker, "w"));
  const auto refused = [&](const LinkSecurity& calling, tls::Door door) {
    TlsPair pair({worker, door}, calling);
    pair.Start(&IgnoreFrame);
    std::vector<uint8_t> bytes(64, 1);
    (void)pair.client->Push(&bytes);
    REQUIRE(pair.TurnUntil([&] { return !pair.server_closed.ok(); }));
    REQUIRE(pair.TurnUntil([&] { return !pair.client_closed.ok(); }));
    return std::string(pair.server_closed.message());
  };
  using Catch::Matchers::Contains;
  CHECK_THAT(refused({}, tls::Door::kShard), Contains("TLS: plain_client"));
  CHECK_THAT(refused({Shared(lab.Issue(tls::Role::kClient, "x"))}, tls::Door::kShard),
             Contains("TLS: wrong_role"));
  CHECK_THAT(refused({Shared(lab.Issue(tls::Role::kFrontend))}, tls::Door::kExperts),
             Contains("TLS: wrong_role"));
  CHECK_THAT(refused({Shared(lab.Issue(tls::Role::kFrontend, "", "other"))}, tls::Door::kShard),
             Contains("TLS: wrong_domain"));
}

TEST_CASE("a plain caller learns that the port speaks TLS") {
  const Lab lab;
  TlsPair pair({Shared(lab.Issue(tls::Role::kWorker, "w")), tls::Door::kShard}, {});
  pair.Start(&IgnoreFrame);
  std::vector<uint8_t> bytes(64, 1);
  (void)pair.client->Push(&bytes);
  REQUIRE(pair.TurnUntil([&] { return !pair.client_closed.ok(); }));
  CHECK_THAT(std::string(pair.client_closed.message()),
             Catch::Matchers::Contains("it speaks TLS, and this side plain TCP"));
}

TEST_CASE("a caller leaves what is not a worker") {
  const Lab lab;
  const auto front = Shared(lab.Issue(tls::Role::kFrontend));
  TlsPair pair({front, tls::Door::kShard}, {Shared(lab.Issue(tls::Role::kWorker, "w"))});
  pair.Start(&IgnoreFrame);
  REQUIRE(pair.TurnUntil([&] { return !pair.client_closed.ok(); }));
  CHECK_THAT(std::string(pair.client_closed.message()),
             Catch::Matchers::Contains("TLS: wrong_role"));
}

}  // namespace
}  // namespace waferline::link
