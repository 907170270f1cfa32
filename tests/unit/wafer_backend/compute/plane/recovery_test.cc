// Lost workers as the driver sees them, with a backend whose every move is scripted: the values and
// the state that a sequence comes back to are those of a run in which nothing was lost.
#include <catch2/catch.hpp>
#include <map>
#include <set>

#include "wafer_backend/base/retry_hint.h"
#include "wafer_backend/base/seeded_stream.h"
#include "wafer_backend/compute/plane/driver.h"

namespace waferline::plane {
namespace {

constexpr int64_t kVocabulary = 32;

// A model whose logits after a text are drawn from a hash of the text.
std::vector<float> LogitsAfter(const std::vector<TokenId>& text) {
  uint64_t hash = text.size();
  for (const TokenId id : text) hash = Mix(hash ^ static_cast<uint64_t>(id));
  std::vector<float> logits(kVocabulary);
  for (float& logit : logits) {
    hash = Mix(hash);
    logit = static_cast<float>(hash % 1000) / 200.0f;
  }
  return logits;
}

// Everything takes one turn. KV is the text itself, so a position that is missing or wrong shows.
class ScriptedBackend : public Backend {
 public:
  std::set<int> lose_shards_at;   // steps, from 0
  std::set<int> lose_prefill_at;  // turns, from 0
  std::function<void()> on_idle;
  std::vector<prefill::PrefillJob> prefills;  // all that were asked for

  const BackendFacts& facts() const override { return facts_; }
  void Prefill(prefill::PrefillJob job) override {
    prefills.push_back(job);
    REQUIRE(pool_.emplace(job.id, job.tokens).second);
    ready_.push_back(job.id);
  }
  void HandOff(uint64_t job, uint32_t slot, uint32_t) override {
    REQUIRE(slots_.emplace(slot, Slot{job, {}}).second);
    moving_.push_back({job, slot});
  }
  void Forget(uint64_t job) override {
    pool_.erase(job);
    std::erase(ready_, job);
    std::erase_if(moving_, [job](const auto& move) { return move.first == job; });
  }
  void Close(uint32_t slot) override { slots_.erase(slot); }

  absl::Status Step(const link::TokenFrame& tokens, link::LogitsFrame* logits) override {
    if (lose_shards_at.contains(steps_++)) {
      for (const auto& [slot, held] : slots_) {
        events_.lost.push_back({held.job, LossCause::kShard, "the scripted shard"});
      }
      slots_.clear();
      moving_.clear();
      return absl::UnavailableError("the scripted shard");
    }
    *logits = {tokens.step, static_cast<uint32_t>(kVocabulary), {}};
    for (size_t row = 0; row < tokens.rows.size(); ++row) {
      std::vector<TokenId>& kv = slots_.at(tokens.rows[row].slot).kv;
      REQUIRE(kv.size() == tokens.rows[row].position);
      kv.push_back(tokens.tokens[row]);
      const std::vector<float> after = LogitsAfter(kv);
      logits->logits.insert(logits->logits.end(), after.begin(), after.end());
    }
    return absl::OkStatus();
  }

  bool Turn(bool, BackendEvents* events) override {
    if (lose_prefill_at.contains(turns_++)) {
      for (const auto& [job, kv] : pool_) {
        events_.lost.push_back({job, LossCause::kPrefill, "the scripted prefill worker"});
      }
      pool_.clear();
      ready_.clear();
      moving_.clear();
    }
    for (const auto& [job, slot] : std::exchange(moving_, {})) {
      slots_.at(slot).kv = pool_.at(job);
      pool_.erase(job);
      events_.handed_off.push_back({job, absl::OkStatus()});
    }
    for (const uint64_t job : std::exchange(ready_, {})) {
      events_.prefilled.push_back({job, absl::OkStatus(), LogitsAfter(pool_.at(job)), {}});
    }
    std::swap(*events, events_);
    events_ = {};
    return !events->empty();
  }
  void Wait() override { on_idle(); }
  void Wake() override {}
  void Count(PlaneCounters*) const override {}
  bool empty() const { return pool_.empty() && slots_.empty(); }

 private:
  struct Slot {
    uint64_t job = 0;
    std::vector<TokenId> kv;
  };
  BackendFacts facts_{.vocabulary = kVocabulary, .context = 512, .slots = 3, .max_rows = 64};
  int steps_ = 0;
  int turns_ = 0;
  std::map<uint64_t, std::vector<TokenId>> pool_;
  std::vector<uint64_t> ready_;
  std::vector<std::pair<uint64_t, uint32_t>> moving_;
  std::map<uint32_t, Slot> slots_;
  BackendEvents events_;
};

class NoWaker : public Waker {
 public:
  void Wake() override {}
};

struct Ran {
  std::vector<std::vector<TokenId>> values;
  std::vector<absl::Status> failures;
  PlaneCounters counters;
  std::vector<prefill::PrefillJob> prefills;
};

constexpr int kSequences = 5;
uint32_t MaxTokens(int sequence) { return 12 - 2 * static_cast<uint32_t>(sequence % 3); }

// Five sequences in three slots, on this thread. Each is ended, as by the engine, when nothing else
// can be computed and it has what was wanted of it.
Ran Run(ScriptedBackend* backend, uint32_t wanted = 12) {
  SharedState shared;
  NoWaker waker;
  kernels::ThreadPool pool(1);
  Driver driver({}, {.backend = backend, .pool = &pool, .shared = &shared, .waker = &waker});
  std::vector<std::shared_ptr<ComputeSequence>> sequences;
  for (int i = 0; i < kSequences; ++i) {
    SequenceSpec spec;
    spec.prompt = std::make_shared<const std::vector<TokenId>>(std::vector<TokenId>{i, 7, 9});
    spec.sampling.temperature = i % 2 == 0 ? 0.0f : 0.8f;
    spec.sampling.seed = 40 + i;
    spec.sampling.repetition_penalty = 1.1f;
    spec.max_tokens = MaxTokens(i);
    if (i == 4) spec.generated = {5, 6};  // as after a fault of the emulated machine
    auto sequence = std::make_shared<ComputeSequence>(spec);
    const MutexLock lock(&shared.mutex);
    sequence->wanted = wanted;
    sequence->activate = sequence->changed = true;
    shared.changed.push_back(sequence);
    sequences.push_back(sequence);
  }
  Ran ran;
  ran.values.resize(kSequences);
  ran.failures.resize(kSequences);
  backend->on_idle = [&] {
    const MutexLock lock(&shared.mutex);
    shared.stop = true;
    for (int i = 0; i < kSequences; ++i) {
      ComputeSequence& sequence = *sequences[i];
      const uint32_t want = std::min(wanted, MaxTokens(i)) - sequence.given_tokens;
      if (sequence.ended || (sequence.failure.ok() && sequence.values.size() < want)) continue;
      for (const TokenValue& value : sequence.values) ran.values[i].push_back(value.id);
      ran.failures[i] = sequence.failure;
      sequence.ended = sequence.changed = true;
      shared.changed.push_back(sequences[i]);
      shared.stop = false;
    }
  };
  driver.Run();
  REQUIRE(backend->empty());
  const MutexLock lock(&shared.mutex);
  ran.counters = shared.counters;
  REQUIRE(ran.counters.live_sequences == 0);
  REQUIRE(ran.counters.slots_in_use == 0);
  ran.prefills = backend->prefills;
  return ran;
}

TEST_CASE("whenever a worker is lost, the values are those of a quiet run") {
  ScriptedBackend quiet;
  const Ran want = Run(&quiet);
  REQUIRE(want.values[0].size() == 12);
  REQUIRE(want.values[4].size() == 8);
  REQUIRE(want.prefills.size() == 5);
  uint64_t recovered[2] = {};
  for (int at = 0; at < 30; ++at) {
    for (const int second : {at, at + 1, at + 5}) {
      for (const bool shards : {true, false}) {
        INFO((shards ? "shards at step " : "prefill at turn ") << at << " and " << second);
        ScriptedBackend backend;
        (shards ? backend.lose_shards_at : backend.lose_prefill_at) = {at, second};
        const Ran got = Run(&backend);
        REQUIRE(got.values == want.values);
        for (const absl::Status& failure : got.failures) REQUIRE(failure.ok());
        const auto& counted = got.counters.host_recoveries;
        REQUIRE(got.prefills.size() == 5 + counted[0] + counted[1]);
        REQUIRE(counted[shards ? 1 : 0] == 0);
        recovered[shards ? 0 : 1] += counted[shards ? 0 : 1];
      }
    }
  }
  REQUIRE(recovered[0] > 100);
  REQUIRE(recovered[1] > 20);
}

TEST_CASE("what is computed again is the prompt and all tokens but the last, which is not fed") {
  ScriptedBackend backend;
  backend.lose_shards_at = {4};
  const Ran ran = Run(&backend);
  REQUIRE(ran.prefills.size() == kSequences + 3);
  for (size_t i = kSequences; i < kSequences + 3; ++i) {
    const prefill::PrefillJob& job = ran.prefills[i];
    REQUIRE(job.begun);
    REQUIRE(job.prompt_tokens == 3);
    const auto& values = ran.values[job.tokens[0]];
    for (size_t k = 3; k < job.tokens.size(); ++k) REQUIRE(job.tokens[k] == values[k - 3]);
    REQUIRE(job.tokens.size() == 3 + 4);  // of five tokens
  }
}

TEST_CASE("a sequence with all its tokens is not computed again") {
  ScriptedBackend backend;
  backend.lose_shards_at = {10};  // the first has 11 of 12 tokens, two others have all of theirs
  const Ran ran = Run(&backend);
  REQUIRE(ran.prefills.size() == kSequences + 1);
  REQUIRE(ran.values[0].size() == 12);
}

TEST_CASE("nothing is computed beyond what was wanted because a worker was lost") {
  ScriptedBackend backend;
  backend.lose_shards_at = {2, 4};
  const Ran ran = Run(&backend, 6);
  for (size_t i = 0; i < ran.values.size(); ++i) REQUIRE(ran.values[i].size() == (i == 4 ? 4 : 6));
}

TEST_CASE("a sequence that is lost too often fails, retryable, with what it had") {
  ScriptedBackend quiet;
  const Ran want = Run(&quiet);
  ScriptedBackend backend;
  for (int step = 3; step < 1000; ++step) backend.lose_shards_at.insert(step);
  const Ran got = Run(&backend);
  for (size_t i = 0; i < got.values.size(); ++i) {
    INFO(got.failures[i]);
    REQUIRE(absl::IsUnavailable(got.failures[i]));
    REQUIRE(RetryAfterOf(got.failures[i]) == kRetryAfterLoss);
    REQUIRE(got.failures[i].ToString().find("computed again 8 times, then: the scripted shard") !=
            std::string::npos);
    REQUIRE(std::equal(got.values[i].begin(), got.values[i].end(), want.values[i].begin()));
  }
  REQUIRE(got.counters.host_recoveries[0] == 5 * Driver::kMaxRecoveries);
}

}  // namespace
}  // namespace waferline::plane
