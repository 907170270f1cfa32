// The laws of a request's life, with an engine that ends sequences in every way it may.
#include "server/serving/request_session.h"

#include <catch2/catch.hpp>
#include <chrono>
#include <deque>
#include <thread>
#include <utility>
#include <vector>

#include "tests/unit/server/rpc/echo_door.h"
#include "tests/unit/server/serving/plain_deps.h"
#include "wafer_backend/base/seeded_stream.h"

namespace waferline::serving {
namespace {

constexpr int64_t kBudget = 1'000'000;

// Keeps what is submitted until the test ends it; accepts `capacity` sequences.
class HeldDoor : public FrontDoor {
 public:
  absl::StatusOr<Ticket> Submit(ValidRequest request) override {
    if (submitted.size() >= capacity) return absl::UnavailableError("the mailbox is full");
    submitted.push_back(std::move(request));
    cancels.push_back(0);
    resumes.push_back(0);
    if (on_submit) on_submit(*submitted.back().sink);
    return Ticket{submitted.size() - 1};
  }
  void Cancel(Ticket ticket) override { ++cancels[ticket.value]; }
  void Resume(Ticket ticket) override { ++resumes[ticket.value]; }

  size_t capacity = 1000;
  std::deque<ValidRequest> submitted;
  std::vector<int> cancels, resumes;
  std::function<void(TokenSink&)> on_submit;
};

struct CountingSink final : SessionSink {
  void OnAdmitted() override {}
  Verdict OnToken(const TokenEvent&) override { return Verdict::kContinue; }
  void HandleRefusal(const Refusal&) override { ++refusals; }
  void HandleOutcome(const Outcome&) override { ++outcomes; }
  int ends() const { return refusals + outcomes; }
  int refusals = 0, outcomes = 0;
};

struct Counting : metrics::FrontMetrics {
  void OnHostFirstToken(std::string_view, Nanoseconds lasted) override { firsts.push_back(lasted); }
  void OnHostEnd(std::string_view, Nanoseconds lasted) override { ends.push_back(lasted); }
  void OnStreamEvent(std::string_view, uint32_t count) override { tokens += count; }
  void OnTurnedAway(std::string_view) override { ++turned_away; }
  std::vector<Nanoseconds> firsts, ends;
  uint32_t tokens = 0;
  int turned_away = 0;
};

struct World {
  World() : budgets({.requests_day = 1000, .tokens_minute = kBudget}, {}) {
    deps = plain.With(&door, nullptr, nullptr);
    deps.budgets = &budgets;
    deps.metrics = &metrics;
    deps.clock.monotonic = [this] { return now; };
  }
  std::shared_ptr<RequestSession> NewSession() {
    return std::make_shared<RequestSession>(
        &deps, SessionSubject{.caller = {.tenant = "t"}, .model = "m", .received = now});
  }
  static ValidRequest Request(uint32_t prompt, uint32_t max_tokens) {
    ValidRequest request;
    request.prompt = std::make_shared<const std::vector<TokenId>>(prompt, 7);
    request.max_tokens = max_tokens;
    return request;
  }
  // What is left of the tenant's tokens.
  int64_t Remaining() {
    for (const auto& [name, value] : budgets.Describe("t", now)) {
      if (name == "x-ratelimit-remaining-tokens-minute") return std::stoll(value);
    }
    return -1;
  }
  std::vector<RequestSession::Sequence> Sequences(const std::vector<ValidRequest>& requests) {
    std::vector<RequestSession::Sequence> sequences;
    for (const ValidRequest& request : requests) {
      sinks.push_back(std::make_shared<CountingSink>());
      sequences.push_back({request, sinks.back()});
    }
    return sequences;
  }

  Nanoseconds now = Seconds(5);
  HeldDoor door;
  PlainDeps plain;
  tenancy::Budgets budgets;
  Counting metrics;
  ServerDeps deps;
  std::vector<std::shared_ptr<CountingSink>> sinks;
};

Outcome Used(uint32_t prompt, uint32_t generated, FinishReason reason) {
  return {.reason = reason, .prompt_tokens = prompt, .generated_tokens = generated};
}

}  // namespace

TEST_CASE("what was charged is settled exactly once, and every accepted sequence ends once") {
  const uint64_t seed = GENERATE(range(1, 201));
  INFO("seed " << seed);
  SeededStream random(seed);
  const auto below = [&](uint32_t n) {
    return static_cast<uint32_t>(random.Uniform() * static_cast<double>(n));
  };
  World world;
  int64_t used = 0;
  for (int round = 0; round < 5; ++round) {
    const size_t first = world.door.submitted.size();
    auto session = world.NewSession();
    std::vector<ValidRequest> requests;
    for (uint32_t n = 1 + below(4); n > 0; --n) {
      requests.push_back(World::Request(1 + below(50), below(100)));
    }
    world.door.capacity = first + below(6);  // sometimes too small in the middle of a request
    REQUIRE_FALSE(session->Charge(requests));
    if (below(8) == 0) continue;  // given up before Submit
    if (below(4) == 0) session->Cancel();
    const auto refusal = session->Submit(world.Sequences(requests));
    const size_t accepted = world.door.submitted.size() - first;
    CHECK(refusal.has_value() == (accepted < requests.size()));
    if (refusal) CHECK(refusal->retry_after > Nanoseconds(0));
    if (below(4) == 0) session->Cancel();
    session.reset();  // the writer may let go first
    std::vector<size_t> order;
    for (size_t i = 0; i < accepted; ++i)
      order.insert(order.begin() + below(static_cast<uint32_t>(i + 1)), first + i);
    for (const size_t i : order) {
      if (refusal) CHECK(world.door.cancels[i] > 0);
      ValidRequest& request = world.door.submitted[i];
      const auto prompt = static_cast<uint32_t>(request.prompt->size());
      const uint32_t generated = below(request.max_tokens + 1);
      const auto reason = static_cast<FinishReason>(below(6));
      if (static_cast<int>(reason) == 5) {
        request.sink->OnRefused({absl::UnavailableError("full"), Seconds(1)});
      } else {
        used += prompt + generated;
        request.sink->OnOutcome(Used(prompt, generated, reason));
      }
      request.sink.reset();
    }
    CHECK(world.Remaining() == kBudget - used);
  }
  size_t ended = 0;
  for (const auto& sink : world.sinks) {
    CHECK(sink->ends() <= 1);
    ended += static_cast<size_t>(sink->ends());
    CHECK(sink.use_count() == 1);
  }
  CHECK(ended == world.door.submitted.size());
  CHECK(world.Remaining() == kBudget - used);
  uint64_t recorded = 0;
  for (const auto& [key, row] : world.plain.ledger.Rows()) {
    recorded += row.prompt_tokens + row.generated_tokens;
  }
  CHECK(recorded == static_cast<uint64_t>(used));
}

TEST_CASE("nothing is settled before the last sequence has ended") {
  World world;
  auto session = world.NewSession();
  const std::vector<ValidRequest> requests = {World::Request(10, 90), World::Request(10, 90)};
  CHECK_FALSE(session->Charge(requests));
  CHECK_FALSE(session->Submit(world.Sequences(requests)));
  CHECK(world.Remaining() == kBudget - 200);
  world.door.submitted[1].sink->OnOutcome(Used(10, 1, FinishReason::kStop));
  CHECK(world.Remaining() == kBudget - 200);
  world.door.submitted[0].sink->OnOutcome(Used(10, 2, FinishReason::kLength));
  CHECK(world.Remaining() == kBudget - 23);
}

TEST_CASE("a budget that does not suffice refuses before the engine is asked") {
  World world;
  auto session = world.NewSession();
  const std::vector<ValidRequest> requests = {World::Request(10, kBudget)};
  const auto refusal = session->Charge(requests);
  REQUIRE(refusal);
  CHECK(refusal->status.code() == absl::StatusCode::kResourceExhausted);
  CHECK(world.metrics.turned_away == 1);
  CHECK(world.Remaining() == kBudget);
}

TEST_CASE("Cancel and Resume before the ticket is known reach the engine, once") {
  World world;
  auto session = world.NewSession();
  const std::vector<ValidRequest> requests = {World::Request(1, 9)};
  CHECK_FALSE(session->Charge(requests));
  world.door.on_submit = [&](TokenSink&) {
    session->Resume(0);
    session->Cancel();
  };
  CHECK_FALSE(session->Submit(world.Sequences(requests)));
  CHECK(world.door.cancels[0] == 1);
  CHECK(world.door.resumes[0] == 1);
  session->Resume(0);
  CHECK(world.door.resumes[0] == 2);
  world.door.submitted[0].sink->OnOutcome(Used(1, 0, FinishReason::kCancelled));
  session->Cancel();  // after the end: nothing to cancel
  CHECK(world.door.cancels[0] == 1);
}

TEST_CASE("an engine that ends a sequence within Submit is settled all the same") {
  World world;
  auto session = world.NewSession();
  const std::vector<ValidRequest> requests = {World::Request(4, 9)};
  CHECK_FALSE(session->Charge(requests));
  world.door.on_submit = [](TokenSink& sink) { sink.OnOutcome(Used(4, 3, FinishReason::kStop)); };
  CHECK_FALSE(session->Submit(world.Sequences(requests)));
  CHECK(world.Remaining() == kBudget - 7);
}

TEST_CASE("writers, clients and the engine at once: still settled once") {
  World world;
  {
    EchoDoor engine(std::chrono::microseconds(20));  // a thread for each sequence
    world.deps.front_door = &engine;
    for (uint32_t i = 0; i < 50; ++i) {
      auto session = world.NewSession();
      const std::vector<ValidRequest> requests = {World::Request(3, 1 + i), World::Request(3, 20)};
      CHECK_FALSE(session->Charge(requests));
      std::thread client([session, i] {
        std::this_thread::sleep_for(std::chrono::microseconds(10 * (i % 7)));
        session->Cancel();
      });
      CHECK_FALSE(session->Submit(world.Sequences(requests)));
      session->Resume(i % 2);
      client.join();
    }
  }  // every sequence has ended
  int64_t used = 0;
  for (const auto& [key, row] : world.plain.ledger.Rows()) {
    used += static_cast<int64_t>(row.prompt_tokens + row.generated_tokens);
  }
  CHECK(used >= 300);
  CHECK(world.Remaining() == kBudget - used);
  for (const auto& sink : world.sinks) CHECK(sink->ends() == 1);
}

TEST_CASE("host times run from the request's last byte; the first token is recorded once") {
  World world;
  auto session = world.NewSession();
  world.now += Milliseconds(3);
  session->RecordSent(2);
  world.now += Milliseconds(4);
  session->RecordSent(5);
  session->RecordAnswered();
  CHECK(world.metrics.firsts == std::vector<Nanoseconds>{Milliseconds(3)});
  CHECK(world.metrics.ends == std::vector<Nanoseconds>{Milliseconds(7)});
  CHECK(world.metrics.tokens == 7);
}

}  // namespace waferline::serving
