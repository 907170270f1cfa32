// Stands where the engine stands: drives a ValueSource by its contract and collects what comes.
#pragma once

#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "tests/support/random_model.h"
#include "wafer_backend/api/values.h"
#include "wafer_backend/base/seeded_stream.h"
#include "wafer_backend/compute/model/gguf.h"
#include "wafer_backend/compute/plane/compute_plane.h"

namespace waferline::plane {

class TestWaker : public Waker {
 public:
  void Wake() override {
    std::lock_guard lock(mutex_);
    ++wakes_;
    changed_.notify_all();
  }
  // Waits until `done`, looked at after each wake; false after a minute.
  bool WaitUntil(const std::function<bool()>& done) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(1);
    uint64_t seen = 0;
    while (!done()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::unique_lock lock(mutex_);
      if (!changed_.wait_until(lock, deadline, [&] { return wakes_ != seen; })) return false;
      seen = wakes_;
    }
    return true;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  uint64_t wakes_ = 0;
};

inline std::shared_ptr<const model::GgufFile> OpenRandom(const test::RandomModelSpec& spec) {
  auto file = model::GgufFile::FromBytes(test::RandomModelBytes(spec), "random model");
  INFO(file.status());
  REQUIRE(file.ok());
  return *file;
}

// Which half of the vocabulary may come next depends on all tokens so far.
class HalfOfAll : public TokenConstraint {
 public:
  explicit HalfOfAll(int64_t vocabulary) : vocabulary_(vocabulary) {}
  std::unique_ptr<ConstraintCursor> Start() const override {
    return std::make_unique<Cursor>(vocabulary_);
  }

 private:
  class Cursor : public ConstraintCursor {
   public:
    explicit Cursor(int64_t vocabulary) : vocabulary_(vocabulary) {}
    std::shared_ptr<const AllowedTokens> Allowed() override {
      AllowedTokens allowed;
      for (TokenId id = 0; id < vocabulary_; ++id) {
        if ((Mix(text_ + static_cast<uint64_t>(id)) & 1) != 0) allowed.few.push_back(id);
      }
      return std::make_shared<const AllowedTokens>(std::move(allowed));
    }
    void Append(TokenId id) override { text_ = Mix(text_ ^ static_cast<uint64_t>(id)); }
    TokenId TowardsEnd() override { return Allowed()->few.front(); }

   private:
    const int64_t vocabulary_;
    uint64_t text_ = 0;
  };
  const int64_t vocabulary_;
};

// A sequence whose values show the logits' bits: five log-probabilities a token.
inline SequenceSpec RandomSpec(SeededStream* random, int64_t vocabulary, uint32_t max_tokens) {
  SequenceSpec spec;
  std::vector<TokenId> prompt(1 + random->Next() % 90);
  for (TokenId& id : prompt) id = static_cast<TokenId>(random->Next() % vocabulary);
  spec.prompt = std::make_shared<const std::vector<TokenId>>(std::move(prompt));
  spec.sampling.temperature = random->Next() % 3 == 0 ? 0.0f : 0.9f;
  if (random->Next() % 2 == 0) spec.sampling.top_k = 40;
  if (random->Next() % 2 == 0) spec.sampling.top_p = 0.95f;
  if (random->Next() % 3 == 0) spec.sampling.repetition_penalty = 1.1f;
  spec.sampling.seed = random->Next();
  spec.sampling.top_logprobs = 5;
  if (spec.sampling.seed % 3 == 0)
    spec.sampling.constraint = std::make_shared<HalfOfAll>(vocabulary);
  spec.max_tokens = max_tokens;
  return spec;
}

inline std::vector<SequenceSpec> RandomSpecs(SeededStream* random, int count, uint32_t max_tokens) {
  std::vector<SequenceSpec> specs;
  for (int i = 0; i < count; ++i) specs.push_back(RandomSpec(random, 256, max_tokens));
  return specs;
}

inline constexpr int64_t kPage = 16;

// On one shard and one thread of this process.
inline PlaneOptions OneShard(std::shared_ptr<const model::GgufFile> file) {
  PlaneOptions options;
  options.local.file = std::move(file);
  options.local.page_tokens = kPage;
  options.threads = 1;
  return options;
}

inline std::unique_ptr<ComputePlane> PlaneOf(const PlaneOptions& options, TestWaker* waker) {
  auto plane = ComputePlane::Create(options, waker);
  INFO(plane.status());
  REQUIRE(plane.ok());
  return *std::move(plane);
}

inline bool SameValue(const TokenValue& a, const TokenValue& b) {
  if (a.id != b.id || a.logprob != b.logprob || a.top.size() != b.top.size()) return false;
  for (size_t i = 0; i < a.top.size(); ++i) {
    if (a.top[i].id != b.top[i].id || a.top[i].logprob != b.top[i].logprob) return false;
  }
  return true;
}

inline bool SameValues(const std::vector<TokenValue>& a, const std::vector<TokenValue>& b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (!SameValue(a[i], b[i])) return false;
  }
  return true;
}

// Runs sequences from start to end, all of them at once.
inline std::vector<std::vector<TokenValue>> RunAll(ValueSource* source, TestWaker* waker,
                                                   const std::vector<SequenceSpec>& specs,
                                                   uint64_t first_id = 1) {
  std::vector<std::vector<TokenValue>> values(specs.size());
  for (size_t i = 0; i < specs.size(); ++i) {
    const SequenceId id{first_id + i};
    source->Prefill(id, specs[i]);
    source->Want(id, specs[i].max_tokens);
    source->Activate(id);
  }
  const bool finished = waker->WaitUntil([&] {
    bool all = true;
    for (size_t i = 0; i < specs.size(); ++i) {
      const auto given = static_cast<uint32_t>(specs[i].generated.size());
      while (values[i].size() + given < std::max<uint32_t>(specs[i].max_tokens, given + 1)) {
        const TokenValue* value = nullptr;
        const auto index = given + static_cast<uint32_t>(values[i].size());
        const auto state = source->Look(SequenceId{first_id + i}, index, &value);
        INFO(source->Failure(SequenceId{first_id + i}));
        REQUIRE(state != ValueSource::State::kFailed);
        if (state == ValueSource::State::kPending) {
          all = false;
          break;
        }
        values[i].push_back(*value);
      }
    }
    return all;
  });
  REQUIRE(finished);
  for (size_t i = 0; i < specs.size(); ++i) source->End(SequenceId{first_id + i});
  return values;
}

// The values of each sequence alone.
inline std::vector<std::vector<TokenValue>> EachAlone(const PlaneOptions& options,
                                                      const std::vector<SequenceSpec>& specs) {
  TestWaker waker;
  auto plane = PlaneOf(options, &waker);
  std::vector<std::vector<TokenValue>> values;
  for (const SequenceSpec& spec : specs) {
    values.push_back(RunAll(plane.get(), &waker, {spec}, values.size() + 1)[0]);
  }
  return values;
}

inline std::vector<TokenValue> PromptLogprobsOf(const PlaneOptions& options,
                                                const SequenceSpec& spec) {
  TestWaker waker;
  auto plane = PlaneOf(options, &waker);
  plane->Prefill(SequenceId{1}, spec);
  const TokenValue* value = nullptr;
  REQUIRE(waker.WaitUntil(
      [&] { return plane->Look(SequenceId{1}, 0, &value) == ValueSource::State::kReady; }));
  std::vector<TokenValue> values = *plane->PromptLogprobs(SequenceId{1});
  plane->End(SequenceId{1});
  return values;
}

// Every sequence has left and everything it held came back.
inline void RequireEmpty(ComputedSource* plane) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  while (std::chrono::steady_clock::now() < deadline) {
    const PlaneCounters counters = plane->counters();
    Bytes held = counters.prefill_kv;
    for (const Bytes kv : counters.kv_reserved) held += kv;
    if (counters.live_sequences == 0 && counters.slots_in_use == 0 &&
        counters.reports_pending == 0 && held == Bytes(0)) {
      return;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  FAIL("something is still held");
}

}  // namespace waferline::plane
