// Heartbeats and silence, with two reactors: each end is turned, or not, when the test says so.
#include <catch2/catch.hpp>
#include <thread>

#include "wafer_backend/compute/link/pending_peers.h"
#include "wafer_backend/compute/link/reactor.h"
#include "wafer_backend/compute/link/typed_link.h"

namespace waferline::link {
namespace {

constexpr Liveness kFast{Milliseconds(20), Milliseconds(400)};

// Two ends of a connection, both started.
struct Ends {
  Ends() {
    auto opened = Listener::Open(&theirs, "127.0.0.1:0",
                                 [this](auto accepted) { there = std::move(accepted); });
    REQUIRE(opened.ok());
    ConnectAttempt attempt(&ours, "127.0.0.1:" + std::to_string((*opened)->port()), Seconds(5),
                           [this](auto result) {
                             if (result.ok()) here = *std::move(result);
                           });
    Turn(Seconds(20), [this] { return here != nullptr && there != nullptr; });
    REQUIRE(here != nullptr);
    REQUIRE(there != nullptr);
    const auto frame = [this](std::span<const uint8_t>) {
      ++frames;
      return absl::OkStatus();
    };
    here->Start(frame, [this](const absl::Status& why) { lost_here = why; });
    there->Start(frame, [this](const absl::Status& why) { lost_there = why; });
    REQUIRE(GreetingOutlet(here.get()).Send(HelloFrame{}).ok());
    REQUIRE(GreetingOutlet(there.get()).Send(HelloFrame{}).ok());
    Turn(Seconds(20), [this] { return frames == 2; });
    frames = 0;
  }
  ~Ends() {
    here.reset();
    there.reset();
  }
  // Both ends, for that long or until `done`.
  void Turn(
      Nanoseconds lasts, const std::function<bool()>& done = [] { return false; }) {
    for (const Nanoseconds end = ours.Now() + lasts; ours.Now() < end && !done();) {
      ours.Turn(Milliseconds(2));
      theirs.Turn(Milliseconds(2));
    }
  }

  Reactor ours{kFast};
  Reactor theirs{kFast};
  std::unique_ptr<Connection> here;
  std::unique_ptr<Connection> there;
  absl::Status lost_here;
  absl::Status lost_there;
  int frames = 0;
};

TEST_CASE("an idle link stays, and its owners see no frame") {
  Ends ends;
  ends.Turn(3 * kFast.patience);
  REQUIRE(ends.lost_here.ok());
  REQUIRE(ends.lost_there.ok());
  REQUIRE(ends.frames == 0);
}

TEST_CASE("a peer that is not turned is lost after the patience") {
  Ends ends;
  const Nanoseconds begin = ends.ours.Now();
  while (ends.lost_here.ok() && ends.ours.Now() < begin + Seconds(20)) {
    ends.ours.Turn(Milliseconds(5));
  }
  REQUIRE(ends.ours.Now() - begin >= kFast.patience);
  REQUIRE(absl::IsDeadlineExceeded(ends.lost_here));
  REQUIRE(ends.lost_here.ToString().find("has sent nothing for 400 ms") != std::string::npos);
}

TEST_CASE("a peer that computes for long beats in between and is not lost") {
  Ends ends;
  for (const Nanoseconds end = ends.ours.Now() + 3 * kFast.patience; ends.ours.Now() < end;) {
    ends.ours.Turn(Milliseconds(5));
    ends.theirs.Beat();
  }
  REQUIRE(ends.lost_here.ok());
}

TEST_CASE("after a pause of its own a side listens before it judges") {
  Ends ends;
  std::this_thread::sleep_for(std::chrono::nanoseconds((2 * kFast.patience).count()));
  // Neither was running: no heartbeat is in the socket yet.
  ends.ours.Turn(Nanoseconds(0));
  ends.theirs.Turn(Nanoseconds(0));
  ends.Turn(2 * kFast.patience);
  REQUIRE(ends.lost_here.ok());
  REQUIRE(ends.lost_there.ok());
}

// What a worker's door answers to a connection that says `bytes`.
struct Door {
  absl::Status Answer(const std::vector<uint8_t>& bytes) {
    PendingPeers pending(
        &reactor, {.check =
                       [](const HelloFrame& theirs) {
                         return theirs.credentials.cell == "demo"
                                    ? absl::OkStatus()
                                    : absl::AlreadyExistsError("cell \"demo\" owns it");
                       },
                   .ours = [] { return HelloFrame{}; },
                   .on_greeted = [this](const auto&, auto taken) { kept = std::move(taken); },
                   .on_remark = [this](const std::string& text) { remark = text; }});
    auto listener =
        Listener::Open(&reactor, "127.0.0.1:0", [&](auto taken) { pending.Add(std::move(taken)); });
    REQUIRE(listener.ok());
    std::unique_ptr<Connection> connection;
    ConnectAttempt attempt(&reactor, "127.0.0.1:" + std::to_string((*listener)->port()), Seconds(5),
                           [&](auto result) { connection = *std::move(result); });
    const Nanoseconds end = reactor.Now() + Seconds(20);
    while (connection == nullptr && reactor.Now() < end) reactor.Turn(Milliseconds(5));
    REQUIRE(connection != nullptr);
    GreetingInlet inlet;
    std::optional<absl::Status> answer;
    connection->Start(
        [&](std::span<const uint8_t> frame) {
          return inlet.Accept(frame, [&](const HelloFrame&) {
            answer = absl::OkStatus();
            return absl::OkStatus();
          });
        },
        [&](const absl::Status& why) { answer = why; });
    std::vector<uint8_t> sent = bytes;
    REQUIRE(connection->Push(&sent).ok());
    while (!answer && reactor.Now() < end) reactor.Turn(Milliseconds(5));
    REQUIRE(answer.has_value());
    kept.reset();
    return *answer;
  }
  Reactor reactor;
  std::unique_ptr<Connection> kept;
  std::string remark;
};

TEST_CASE("a peer that is refused learns why, and the worker's log says the same") {
  Door door;
  HelloFrame hello;
  hello.credentials.cell = "demo";
  std::vector<uint8_t> bytes;
  Encode(hello, &bytes);
  REQUIRE(door.Answer(bytes).ok());
  hello.credentials.cell = "other";
  Encode(hello, &bytes);
  const absl::Status refused = door.Answer(bytes);
  REQUIRE(absl::IsAlreadyExists(refused));
  REQUIRE(refused.ToString().find("cell \"demo\" owns it") != std::string::npos);
  REQUIRE(door.remark.find("cell \"demo\" owns it") != std::string::npos);
}

TEST_CASE("a peer of an older version is refused on both sides with both versions") {
  Door door;
  std::vector<uint8_t> bytes;
  Encode(HelloFrame{}, &bytes);
  bytes[4] = kFrameVersion - 1;
  const std::string both = "frame version " + std::to_string(kFrameVersion - 1) +
                           ", this side speaks " + std::to_string(kFrameVersion);
  const absl::Status refused = door.Answer(bytes);
  REQUIRE(absl::IsFailedPrecondition(refused));
  REQUIRE(refused.ToString().find(both) != std::string::npos);
  REQUIRE(door.remark.find(both) != std::string::npos);
}

TEST_CASE("names that are too long are not a greeting") {
  HelloFrame hello;
  hello.credentials.worker.assign(membership::kMaxNameBytes + 1, 'a');
  std::vector<uint8_t> bytes;
  Encode(hello, &bytes);
  REQUIRE(absl::IsInvalidArgument(Decode(bytes, &hello)));
}

}  // namespace
}  // namespace waferline::link
