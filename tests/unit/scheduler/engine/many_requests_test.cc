// Batches, bounds, readers, failures, faults, and churn over all of them. The laws are checked
// after every event (SmallCloud::Run).
#include <algorithm>
#include <array>

#include "tests/unit/scheduler/engine/churn.h"

namespace waferline::engine {
namespace {

TEST_CASE("users up to the pipeline's depth cost no speed, more share its bottleneck") {
  // 8 layers of 10 us on 4 stages: latency 80 us, bottleneck 20 us, depth 4.
  for (const int users : {1, 4, 8}) {
    SmallCloud cloud({.max_running = 16});
    cloud.lane.kv_bytes_per_token = Bytes(0);
    cloud.Build();
    std::vector<std::shared_ptr<TestSink>> sinks;
    for (int i = 0; i < users; ++i) sinks.push_back(cloud.Ask(1, 101));
    cloud.Run();
    const Nanoseconds alone = Microseconds(80);
    const Nanoseconds expected = std::max(alone, Microseconds(20) * users);
    for (const auto& sink : sinks) {
      const Nanoseconds each = (sink->instants[100] - sink->instants[50]) / 50;
      REQUIRE(each == expected);
    }
  }
}

TEST_CASE("a batch device gives all its sequences a token a step") {
  SmallCloud cloud({.units = 0, .gpus = 1});
  cloud.lane.kv_bytes_per_token = Bytes(0);
  cloud.Build();
  const auto a = cloud.Ask(1, 10);
  const auto b = cloud.Ask(1, 5);
  cloud.Run();
  REQUIRE(a->outcome.reason == FinishReason::kLength);
  // Steps of 101 us alone and 102 us together; b's first token comes a microsecond later and joins
  // at the second step.
  REQUIRE(a->instants[1] - a->instants[0] == Microseconds(101));
  REQUIRE(a->instants[3] - a->instants[2] == Microseconds(102));
  REQUIRE(b->instants[4] - b->instants[3] == Microseconds(102));
  REQUIRE(a->instants[9] - a->instants[8] == Microseconds(101));
}

TEST_CASE("a class's queue is bounded, and the refusal says when to come back") {
  SmallCloud cloud({.max_running = 1});
  cloud.lane.admission.max_waiting = {2, 3, 1};
  cloud.Build();
  std::vector<std::shared_ptr<TestSink>> sinks;
  for (int i = 0; i < 8; ++i) sinks.push_back(cloud.Ask(10, 20));
  // All arrive at one instant, before anything is dispatched.
  REQUIRE(sinks[2]->admitted);
  REQUIRE(sinks[3]->refused);
  REQUIRE(absl::IsUnavailable(sinks[3]->refusal.status));
  REQUIRE(sinks[3]->refusal.retry_after > Nanoseconds());
  ValidRequest flex;
  flex.tier = ServiceTier::kFlex;
  REQUIRE(cloud.Ask(10, 20, flex)->admitted);
  REQUIRE(cloud.Ask(10, 20, flex)->refused);
  cloud.Run();
  REQUIRE(cloud.source.most_alive == 1);
  REQUIRE(cloud.engine->Snapshot().refused == 6);
}

TEST_CASE("what never fits is refused at once, what fits later waits") {
  SmallCloud cloud({.pages = 4});
  cloud.Build();
  REQUIRE(absl::IsInvalidArgument(cloud.Ask(33, 32)->refusal.status));
  const auto a = cloud.Ask(32, 32);
  const auto b = cloud.Ask(32, 32);
  cloud.Run();
  REQUIRE(b->outcome.times.queue >= a->outcome.times.total() - Nanoseconds(1));
  REQUIRE(cloud.source.most_alive == 1);
}

TEST_CASE("the slots are bounded") {
  SmallCloud cloud;
  cloud.Build({.max_sequences = 3});
  for (int i = 0; i < 3; ++i) REQUIRE(cloud.Ask(1, 1)->admitted);
  REQUIRE(cloud.Ask(1, 1)->refused);
  cloud.Run();
  REQUIRE(cloud.Ask(1, 1)->admitted);
}

TEST_CASE("an unknown model is not found") {
  SmallCloud cloud;
  cloud.Build();
  auto sink = std::make_shared<TestSink>(std::vector<TokenId>{1});
  ValidRequest request;
  request.model = "other";
  request.sink = sink;
  cloud.engine->Submit(Ticket{99}, request);
  REQUIRE(absl::IsNotFound(sink->refusal.status));
}

TEST_CASE("a deadline ends a request wherever it is") {
  SmallCloud cloud;
  cloud.lane.admission.refuse_missed_deadlines = false;
  cloud.Build();
  for (const int64_t us : {5, 25, 300}) {
    ValidRequest request;
    request.deadline = Microseconds(us);
    const auto sink = cloud.Ask(20, 100, request);
    cloud.Run();
    REQUIRE(sink->outcome.reason == FinishReason::kDeadline);
    REQUIRE(sink->outcome.times.total() == Microseconds(us));
  }
  cloud.lane.admission.refuse_missed_deadlines = true;
  cloud.engine.reset();
  cloud.Build();
  ValidRequest hopeless;
  hopeless.deadline = Microseconds(5);
  REQUIRE(cloud.Ask(20, 100, hopeless)->refused);
}

TEST_CASE("a full reader gets no further beat until it resumes, and is ended after its grace") {
  for (const bool gpu : {false, true}) {
    SmallCloud cloud({.units = gpu ? 0 : 1, .gpus = gpu ? 1 : 0});
    cloud.lane.limits.reader_grace = Milliseconds(50);
    cloud.Build();
    const auto other = cloud.Ask(10, 300);
    const auto sink = cloud.Ask(10, 50);
    const Ticket ticket = cloud.last;
    sink->answer_at = 5;
    sink->answer = TokenSink::Verdict::kFull;
    cloud.Run(Milliseconds(20));
    REQUIRE(sink->instants.size() == 5);
    REQUIRE(cloud.engine->Snapshot().lanes[0].parked == 1);
    cloud.engine->Resume(ticket);
    cloud.Run();
    REQUIRE(sink->outcome.reason == FinishReason::kLength);
    REQUIRE(other->outcome.reason == FinishReason::kLength);

    const auto lost = cloud.Ask(10, 50);
    lost->answer_at = 1;
    lost->answer = TokenSink::Verdict::kFull;
    const Nanoseconds before = cloud.timeline.now();
    cloud.Run();
    REQUIRE(lost->outcome.reason == FinishReason::kFailed);
    REQUIRE(absl::IsResourceExhausted(lost->outcome.status));
    REQUIRE(cloud.timeline.now() >= before + Milliseconds(50));
  }
}

TEST_CASE("time can be held for a full reader") {
  SmallCloud cloud;
  cloud.Build({.max_sequences = 8, .hold_time_for_readers = true});
  const auto sink = cloud.Ask(10, 50);
  sink->answer_at = 5;
  sink->answer = TokenSink::Verdict::kFull;
  REQUIRE(cloud.Run() == Engine::Pause::kBlocked);
  REQUIRE(sink->instants.size() == 5);
  const Nanoseconds held_at = cloud.timeline.now();
  REQUIRE(cloud.Run() == Engine::Pause::kBlocked);
  REQUIRE(cloud.timeline.now() == held_at);
  cloud.engine->Resume(cloud.last);
  REQUIRE(cloud.Run() == Engine::Pause::kIdle);
  REQUIRE(sink->instants.size() == 50);
  const auto lost = cloud.Ask(10, 50);
  lost->answer_at = 2;
  lost->answer = TokenSink::Verdict::kFull;
  REQUIRE(cloud.Run() == Engine::Pause::kBlocked);
  cloud.engine->GiveUpOnReaders();
  REQUIRE(cloud.Run() == Engine::Pause::kIdle);
  REQUIRE(lost->outcome.reason == FinishReason::kFailed);
}

TEST_CASE("a lost value is computed anew, a bounded number of times") {
  SmallCloud cloud;
  cloud.lane.limits.max_restarts = 2;
  cloud.Build();
  const auto sink = cloud.Ask(20, 30);
  cloud.Run(Milliseconds(1));
  const size_t had = sink->instants.size();
  REQUIRE(had > 2);
  cloud.source.failing = true;
  cloud.Run(Milliseconds(1) + Microseconds(85));
  cloud.source.failing = false;
  cloud.Run();
  REQUIRE(sink->outcome.reason == FinishReason::kLength);
  REQUIRE(sink->instants.size() == 30);

  const auto lost = cloud.Ask(20, 30);
  cloud.source.failing = true;
  cloud.Run();
  REQUIRE(lost->outcome.reason == FinishReason::kFailed);
  REQUIRE(absl::IsUnavailable(lost->outcome.status));

  cloud.source.failure = absl::DataLossError("this sequence is broken");
  const auto broken = cloud.Ask(20, 30);
  cloud.Run();
  REQUIRE(absl::IsDataLoss(broken->outcome.status));
  cloud.source.failing = false;
}

TEST_CASE("a request goes on elsewhere when its device is lost") {
  using Kind = Fault::Kind;
  for (const Kind kind : {Kind::kWorkerLost, Kind::kUnitLost}) {
    for (const int64_t at_us : {30, 101, 105, 400}) {
      SmallCloud cloud({.workers = 2, .units = 2});
      cloud.Build();
      const auto sink = cloud.Ask(100, 20);
      cloud.Run(Microseconds(at_us));
      REQUIRE(cloud.engine->Apply({kind, 0, 0}).ok());
      cloud.engine->CheckLaws();
      cloud.Run();
      REQUIRE(sink->outcome.reason == FinishReason::kLength);
      REQUIRE(sink->instants.size() == 20);
    }
  }
}

TEST_CASE("without any device requests are refused, and those inside go on when it is back") {
  SmallCloud cloud;
  cloud.Build();
  const auto sink = cloud.Ask(20, 20);
  cloud.Run(Microseconds(300));
  REQUIRE(cloud.engine->Apply({Fault::Kind::kUnitLost, 0, 0}).ok());
  REQUIRE(cloud.Run() == Engine::Pause::kIdle);
  REQUIRE(!sink->ended);
  const auto refused = cloud.Ask(1, 1);
  REQUIRE(refused->refused);
  REQUIRE(refused->refusal.retry_after > Nanoseconds());
  REQUIRE(cloud.engine->Apply({Fault::Kind::kUnitBack, 0, 0}).ok());
  cloud.Run();
  REQUIRE(sink->outcome.reason == FinishReason::kLength);
  REQUIRE(!cloud.engine->Apply({Fault::Kind::kUnitLost, 0, 7}).ok());
  REQUIRE(!cloud.engine->Apply({Fault::Kind::kUnitLost, 3, 0}).ok());
  REQUIRE(!cloud.engine->Apply({Fault::Kind::kUnitSpeed, 0, 0, -1}).ok());
}

TEST_CASE("slower hardware takes as many times as long") {
  SmallCloud cloud;
  cloud.lane.kv_bytes_per_token = Bytes(1000);
  cloud.Build();
  REQUIRE(cloud.engine->Apply({Fault::Kind::kWorkerSpeed, 0, 0, 3}).ok());
  REQUIRE(cloud.engine->Apply({Fault::Kind::kUnitSpeed, 0, 0, 2}).ok());
  REQUIRE(cloud.engine->Apply({Fault::Kind::kLinkSpeed, 0, 0, 0.5}).ok());
  const auto sink = cloud.Ask(50, 2);
  cloud.Run();
  REQUIRE(sink->outcome.times.prefill == Microseconds(150));
  REQUIRE(sink->outcome.times.transfer == Microseconds(100));
  REQUIRE(sink->outcome.times.decode == Microseconds(160));
}

TEST_CASE("draining lets in nobody and finishes the rest") {
  SmallCloud cloud;
  cloud.Build();
  const auto sink = cloud.Ask(20, 20);
  cloud.engine->Drain();
  REQUIRE(cloud.Ask(1, 1)->refused);
  cloud.Run();
  REQUIRE(sink->outcome.reason == FinishReason::kLength);
  const auto ended = cloud.Ask(1, 1);
  REQUIRE(ended->refused);
}

TEST_CASE("a better priority takes the room of a worse one, which loses no token") {
  SmallCloud cloud({.pages = 10});
  cloud.lane.preempt = true;
  cloud.lane.order.rule = policy::OrderRule::kPriority;
  cloud.Build();
  ValidRequest low;
  low.priority = 10;
  const auto victim = cloud.Ask(60, 60, low);
  cloud.Run(Milliseconds(1));
  ValidRequest high;
  high.priority = 0;
  const auto better = cloud.Ask(60, 60, high);
  cloud.Run();
  REQUIRE(better->outcome.times.queue < Microseconds(100));
  REQUIRE(victim->outcome.reason == FinishReason::kLength);
  REQUIRE(victim->instants.size() == 60);
  REQUIRE(victim->outcome.times.total() > better->outcome.times.total());
}

TEST_CASE("tenants share by tokens served, not by how much they ask for") {
  SmallCloud cloud({.max_running = 1, .pages = 1000});
  cloud.lane.order.fair_tenants = true;
  cloud.Build({.max_sequences = 256});
  std::vector<std::shared_ptr<TestSink>> greedy, modest;
  for (int i = 0; i < 40; ++i) {
    ValidRequest request;
    request.tenant = "greedy";
    greedy.push_back(cloud.Ask(20, 20, request));
  }
  for (int i = 0; i < 5; ++i) {
    ValidRequest request;
    request.tenant = "modest";
    modest.push_back(cloud.Ask(20, 20, request));
  }
  cloud.Run();
  const Nanoseconds last = modest.back()->outcome.times.total();
  const auto before = std::count_if(greedy.begin(), greedy.end(), [&](const auto& sink) {
    return sink->outcome.times.total() < last;
  });
  REQUIRE(before <= 6);
}

TEST_CASE("a prompt's known prefix is not computed again, and salts keep tenants apart") {
  SmallCloud cloud;
  cloud.lane.workers[0].cache_tokens = Tokens(1024);
  cloud.Build();
  std::vector<TokenId> prompt(100);
  for (int i = 0; i < 100; ++i) prompt[i] = i + 5;
  const auto first = cloud.AskFor(prompt, 2);
  cloud.Run();
  REQUIRE(first->outcome.cached_tokens == 0);
  const auto second = cloud.AskFor(prompt, 2);
  cloud.Run();
  REQUIRE(second->outcome.cached_tokens == 96);
  REQUIRE(second->outcome.times.prefill == Microseconds(4));
  REQUIRE(second->outcome.times.transfer == first->outcome.times.transfer);  // all of it moves
  ValidRequest salted;
  salted.cache_salt = "mine";
  const auto third = cloud.AskFor(prompt, 2, salted);
  cloud.Run();
  REQUIRE(third->outcome.cached_tokens == 0);
  cloud.engine->ResetPrefixCaches();
  const auto fourth = cloud.AskFor(prompt, 2);
  cloud.Run();
  REQUIRE(fourth->outcome.cached_tokens == 0);
}

TEST_CASE("KV that stayed on a wafer is not moved again, and gives way to sequences") {
  SmallCloud cloud({.pages = 16});
  cloud.lane.units[0].prefix_cache = true;
  cloud.Build();
  std::vector<TokenId> prompt(100);
  for (int i = 0; i < 100; ++i) prompt[i] = i + 5;
  cloud.AskFor(prompt, 2);
  cloud.Run();
  REQUIRE(cloud.engine->Snapshot().lanes[0].units[0].pages_cached == 6);
  const auto second = cloud.AskFor(prompt, 2);
  cloud.Run();
  REQUIRE(second->outcome.times.transfer == Nanoseconds(4 * SmallCloud::kKvPerToken));
  // Another salt finds nothing there.
  ValidRequest salted;
  salted.cache_salt = "mine";
  const auto third = cloud.AskFor(prompt, 2, salted);
  cloud.Run();
  REQUIRE(third->outcome.times.transfer == Nanoseconds(100 * SmallCloud::kKvPerToken));
  const auto large = cloud.Ask(200, 50);
  cloud.Run();
  REQUIRE(large->outcome.reason == FinishReason::kLength);
}

TEST_CASE("a session sticks to the wafer that has its KV, another salt's does not") {
  SmallCloud cloud({.units = 3, .pages = 64});
  for (auto& unit : cloud.lane.units) unit.prefix_cache = true;
  cloud.lane.unit.rule = policy::UnitRule::kSticky;
  cloud.Build({.max_sequences = 32});
  std::vector<TokenId> talk(60);
  for (int i = 0; i < 60; ++i) talk[i] = i + 5;
  const auto other = cloud.Ask(30, 4000 / 16);  // takes the first wafer, and stays
  cloud.Run(Microseconds(200));
  const auto begun = cloud.AskFor(talk, 4);
  cloud.Run(cloud.timeline.now() + Milliseconds(2));
  REQUIRE(begun->ended);
  // Someone else loads the session's wafer too: headroom alone would send it to the third.
  const auto busy = cloud.Ask(30, 4000 / 16);
  cloud.Run(cloud.timeline.now() + Microseconds(200));
  for (int turn = 0; turn < 3; ++turn) {
    for (int i = 0; i < 20; ++i) talk.push_back(static_cast<TokenId>(1000 + talk.size()));
    const auto next = cloud.AskFor(talk, 4);
    cloud.Run(cloud.timeline.now() + Milliseconds(2));
    REQUIRE(next->ended);
    // Only what is new is moved.
    REQUIRE(next->outcome.times.transfer <= Nanoseconds(36 * SmallCloud::kKvPerToken));
  }
}

TEST_CASE("a short prompt is prefilled on its wafer") {
  SmallCloud cloud;
  cloud.lane.local_prefill.max_fresh_tokens = 8;
  cloud.Build();
  const auto sink = cloud.Ask(8, 3);
  cloud.Run();
  // 8 tokens one behind the other through the pipeline, no hand-off.
  REQUIRE(sink->outcome.times.prefill == Microseconds(80 + 7 * 20));
  REQUIRE(sink->outcome.times.transfer == Nanoseconds());
  REQUIRE(sink->outcome.times.decode == Microseconds(160));
  const auto pooled = cloud.Ask(9, 3);
  cloud.Run();
  REQUIRE(pooled->outcome.times.prefill == Microseconds(9));
}

TEST_CASE("overlapping prefill and hand-off moves the same bytes and ends sooner") {
  std::vector<Nanoseconds> transfer;
  for (const Overlap overlap : {Overlap::kNone, Overlap::kChunk, Overlap::kLayer}) {
    SmallCloud cloud;
    cloud.lane.kv_bytes_per_token = Bytes(800);
    cloud.lane.overlap = overlap;
    cloud.Build();
    const auto sink = cloud.Ask(256, 2);
    cloud.Run();
    REQUIRE(cloud.link->moved() == Bytes(256 * 800));
    transfer.push_back(sink->outcome.times.transfer);
  }
  REQUIRE(transfer[0] == Nanoseconds(256 * 800));
  REQUIRE(transfer[1] == Nanoseconds(64 * 800));
  REQUIRE(transfer[2] <= Nanoseconds(64 * 800 / 8 + 1));
}

TEST_CASE("room may be taken only at the hand-off") {
  SmallCloud cloud({.max_running = 1});
  cloud.lane.reserve = Reserve::kAtHandoff;
  cloud.Build();
  const auto a = cloud.Ask(20, 20);
  const auto b = cloud.Ask(20, 20);
  cloud.Run();
  REQUIRE(b->outcome.times.prefill == Microseconds(40));  // both in one step
  REQUIRE(b->outcome.times.queue == Nanoseconds());
  REQUIRE(b->outcome.times.transfer > a->outcome.times.decode);
}

TEST_CASE("speculation emits what the process accepts, the same tokens in fewer beats") {
  SmallCloud plain;
  plain.Build();
  SmallCloud fast;
  fast.lane.speculation.acceptance = {1.0, 1.0, 0.0};
  fast.lane.speculation.draft_time = Microseconds(10);
  fast.Build();
  const auto a = plain.Ask(10, 31);
  const auto b = fast.Ask(10, 31);
  plain.Run();
  fast.Run();
  REQUIRE(b->instants.size() == 31);
  // 30 tokens in 10 beats of 80 us, three more tokens behind the first in each, 10 us to draft.
  REQUIRE(a->outcome.times.decode == Microseconds(30 * 80));
  REQUIRE(b->outcome.times.decode == Microseconds(10 * (80 + 60 + 10)));
  REQUIRE(b->instants[1] == b->instants[3]);
}

TEST_CASE("a lane that cannot work is refused by name") {
  SmallCloud cloud;
  cloud.lane.units[0].memory[2].kv_per_page = Bytes(1 << 30);
  auto made = Engine::Create({}, &cloud.timeline, {cloud.lane}, {});
  REQUIRE(!made.ok());
  REQUIRE(std::string(made.status().message()).find("unit \"u0\": stage 2") != std::string::npos);
}

TEST_CASE("under churn nothing leaks, everything ends once, and a seed repeats it") {
  uint64_t tokens = 0;
  for (uint64_t seed = 1; seed <= 150; ++seed) {
    CAPTURE(seed);
    const Churn churn = RunChurn(seed);
    tokens += churn.tokens;
    if (seed % 10 == 0) REQUIRE(RunChurn(seed).digest == churn.digest);
  }
  REQUIRE(tokens > 10'000);
}

TEST_CASE("overload is stable: the queue stays bounded and the rest goes on") {
  SmallCloud cloud({.max_running = 4});
  cloud.lane.admission.max_waiting = {4, 8, 4};
  cloud.Build({.max_sequences = 32});
  uint64_t refused = 0;
  for (int i = 0; i < 500; ++i) {
    refused += cloud.Ask(30, 30)->refused;
    cloud.Run(cloud.timeline.now() + Microseconds(100));
    REQUIRE(cloud.engine->Snapshot().lanes[0].waiting_total() <= 8);
  }
  REQUIRE(refused > 100);
  cloud.Run();
  const EngineSnapshot end = cloud.engine->Snapshot();
  REQUIRE(end.finished + refused == 500);
}

}  // namespace
}  // namespace waferline::engine
