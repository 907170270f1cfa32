// When a request waits for its usage record, and when it does not.
#include <catch2/catch.hpp>
#include <deque>
#include <utility>
#include <vector>

#include "server/serving/request_session.h"
#include "tests/unit/server/serving/plain_deps.h"

namespace waferline::serving {
namespace {

struct OpenDoor : FrontDoor {
  absl::StatusOr<Ticket> Submit(ValidRequest request) override {
    if (submitted.size() >= capacity) return absl::UnavailableError("the mailbox is full");
    submitted.push_back(std::move(request));
    return Ticket{submitted.size()};
  }
  void Cancel(Ticket) override { ++cancels; }
  void Resume(Ticket) override {}
  size_t capacity = 100;
  int cancels = 0;
  std::deque<ValidRequest> submitted;
};

// Keeps what waits until the test says what became of it.
struct HeldMeter : metering::UsageMeter {
  struct Usage : metering::RequestUsage {
    explicit Usage(HeldMeter* meter) : meter(meter) {}
    metering::UsageId id() const override { return {7, 8, 0}; }
    bool waits() const override { return meter->waits; }
    void Open(metering::Recorded recorded) override {
      ++meter->opened;
      meter->open = std::move(recorded);
    }
    metering::PostedCounts Post(int64_t, const Outcome&, metering::Recorded recorded) override {
      meter->posts.push_back(std::move(recorded));
      return {};
    }
    void Withdraw(int64_t choice) override { meter->withdrawn.push_back(choice); }
    HeldMeter* const meter;
  };
  absl::StatusOr<std::shared_ptr<metering::RequestUsage>> Admit(
      const metering::UsageRequest& request) override {
    tenant = request.subject.tenant;
    if (!available.ok()) return available;
    return std::make_shared<Usage>(this);
  }
  bool waits = false;
  absl::Status available;
  std::string tenant;
  int opened = 0;
  metering::Recorded open;
  std::vector<metering::Recorded> posts;
  std::vector<int64_t> withdrawn;
};

struct QuietSink final : SessionSink {
  void OnAdmitted() override {}
  Verdict OnToken(const TokenEvent&) override { return ++tokens, Verdict::kContinue; }
  void HandleRefusal(const Refusal& refusal) override { refused.push_back(refusal.status); }
  void HandleOutcome(const Outcome& outcome) override { ended.push_back(outcome); }
  int tokens = 0;
  std::vector<absl::Status> refused;
  std::vector<Outcome> ended;
};

struct UsageWorld {
  UsageWorld() {
    deps = plain.With(&door, nullptr, nullptr);
    deps.meter = &meter;
    session = std::make_shared<RequestSession>(
        &deps, SessionSubject{.caller = {.tenant = "t"}, .model = "m", .received = Nanoseconds()});
  }
  std::optional<Refusal> Charge(size_t choices) {
    ValidRequest request;
    request.prompt = std::make_shared<const std::vector<TokenId>>(5, 7);
    request.max_tokens = 9;
    requests.assign(choices, request);
    return session->Charge(requests);
  }
  std::optional<Refusal> Submit() {
    std::vector<RequestSession::Sequence> sequences;
    for (ValidRequest& request : requests) {
      sinks.push_back(std::make_shared<QuietSink>());
      sequences.push_back({request, sinks.back()});
    }
    return session->Submit(std::move(sequences));
  }
  // What is in flight ends, as it does in a server: else session and sinks would hold each other.
  void EndAll() {
    for (const ValidRequest& request : door.submitted) request.sink->OnOutcome({});
    for (const metering::Recorded& recorded : meter.posts) recorded(absl::OkStatus());
  }
  OpenDoor door;
  HeldMeter meter;
  PlainDeps plain;
  ServerDeps deps;
  std::shared_ptr<RequestSession> session;
  std::vector<ValidRequest> requests;
  std::vector<std::shared_ptr<QuietSink>> sinks;
};

}  // namespace

TEST_CASE("tokens do not wait for the database, the end waits for its commit") {
  UsageWorld world;
  REQUIRE_FALSE(world.Charge(2));
  CHECK(world.session->UsageIdText() == "7.8.0");
  REQUIRE_FALSE(world.Submit());
  REQUIRE(world.door.submitted.size() == 2);  // the open is not confirmed
  world.door.submitted[0].sink->OnToken({});
  CHECK(world.sinks[0]->tokens == 1);
  world.door.submitted[0].sink->OnOutcome({.generated_tokens = 1});
  world.door.submitted[1].sink->OnOutcome({.generated_tokens = 2});
  world.door.submitted.clear();
  world.session.reset();
  CHECK(world.sinks[0]->ended.empty());
  REQUIRE(world.meter.posts.size() == 2);
  world.meter.posts[0](absl::OkStatus());
  world.meter.posts[1](absl::UnavailableError("not confirmed"));
  REQUIRE(world.sinks[0]->ended.size() == 1);
  CHECK(world.sinks[0]->ended[0].status.ok());
  REQUIRE(world.sinks[1]->ended.size() == 1);
  CHECK(world.sinks[1]->ended[0].reason == FinishReason::kFailed);
  CHECK(absl::IsUnavailable(world.sinks[1]->ended[0].status));
  world.meter.posts.clear();
  CHECK(world.sinks[0].use_count() == 1);  // the session and its sinks are gone
}

TEST_CASE("a capped tenant's request waits for its hold, and may be refused there") {
  UsageWorld world;
  world.meter.waits = true;
  REQUIRE_FALSE(world.Charge(2));
  REQUIRE_FALSE(world.Submit());
  CHECK(world.door.submitted.empty());
  SECTION("held") {
    world.meter.open(absl::OkStatus());
    CHECK(world.door.submitted.size() == 2);
  }
  SECTION("held, and the mailbox takes only one") {
    world.door.capacity = 1;
    world.meter.open(absl::OkStatus());
    CHECK(world.sinks[0]->refused.empty());
    CHECK(world.door.cancels == 1);
    CHECK(world.sinks[1]->refused.size() == 1);
    CHECK(world.meter.withdrawn == std::vector<int64_t>{1});
  }
  SECTION("over the cap") {
    world.meter.open(absl::ResourceExhaustedError("over the cap"));
    CHECK(world.door.submitted.empty());
    for (const auto& sink : world.sinks) {
      REQUIRE(sink->refused.size() == 1);
      CHECK(absl::IsResourceExhausted(sink->refused[0]));
    }
    CHECK(world.meter.withdrawn == std::vector<int64_t>{0, 1});
  }
  SECTION("the client leaves meanwhile") {
    world.session->Cancel();
    world.meter.open(absl::OkStatus());
    CHECK(world.door.cancels == 2);
  }
  world.EndAll();
}

TEST_CASE("a database that takes nothing refuses admissions; what is refused is withdrawn") {
  UsageWorld world;
  world.meter.available = absl::UnavailableError("it is behind");
  const auto refusal = world.Charge(1);
  REQUIRE(refusal);
  CHECK(absl::IsUnavailable(refusal->status));
  CHECK(refusal->retry_after > Nanoseconds(0));
  CHECK(world.meter.opened == 0);

  UsageWorld full;
  full.door.capacity = 1;
  REQUIRE_FALSE(full.Charge(3));
  CHECK(full.Submit());
  CHECK(full.meter.withdrawn == std::vector<int64_t>{1, 2});
  full.door.submitted[0].sink->OnRefused({absl::UnavailableError("no"), Seconds(1)});
  CHECK(full.meter.withdrawn == std::vector<int64_t>{1, 2, 0});
  CHECK(full.sinks[0]->refused.size() == 1);
}

}  // namespace waferline::serving
