// Draws under a constraint: only what is allowed comes, the rest of the sampler works as it did.
#include <catch2/catch.hpp>
#include <set>

#include "wafer_backend/base/seeded_stream.h"
#include "wafer_backend/compute/sampling/sampler.h"

namespace waferline::sampling {
namespace {

constexpr TokenId kEnd = 199;

// Multiples of 3, and after five of them only the end. As bits or as a list.
class Threes : public TokenConstraint {
 public:
  explicit Threes(bool bits) : bits_(bits) {}
  std::unique_ptr<ConstraintCursor> Start() const override {
    return std::make_unique<Cursor>(bits_);
  }

 private:
  class Cursor : public ConstraintCursor {
   public:
    explicit Cursor(bool bits) : bits_(bits) {}
    std::shared_ptr<const AllowedTokens> Allowed() override {
      AllowedTokens allowed;
      if (count_ >= 5) {
        allowed.few = {kEnd};
        allowed.ends_only = true;
      } else {
        for (TokenId id = 0; id < 150; id += 3) allowed.few.push_back(id);
      }
      if (bits_) {
        allowed.bits.assign(4, 0);
        for (const TokenId id : allowed.few) allowed.bits[id / 64] |= uint64_t{1} << id % 64;
        allowed.few.clear();
      }
      return std::make_shared<const AllowedTokens>(std::move(allowed));
    }
    void Append(TokenId) override { ++count_; }
    TokenId TowardsEnd() override { return count_ >= 5 ? kEnd : 0; }

   private:
    const bool bits_;
    int count_ = 0;
  };
  const bool bits_;
};

std::vector<TokenValue> Draws(const SamplingSpec& spec, uint32_t from, uint32_t to,
                              const std::vector<TokenId>& generated) {
  Sampler sampler(spec, std::vector<TokenId>{1, 2}, generated);
  Workspace workspace;
  std::vector<TokenValue> values;
  for (uint32_t i = from; i < to; ++i) {
    SeededStream random(i);
    std::vector<float> logits(200);
    for (float& x : logits) x = static_cast<float>(10 * random.Uniform());
    values.push_back(sampler.Next(logits, &workspace));
  }
  return values;
}

TEST_CASE("only allowed tokens come, whatever else is asked for") {
  SamplingSpec spec;
  spec.constraint = std::make_shared<Threes>(GENERATE(false, true));
  spec.end_ids = {kEnd};
  spec.min_tokens = 9;  // cannot be held: the text is complete after five
  spec.temperature = GENERATE(0.0f, 1.5f);
  spec.top_k = GENERATE(0u, 1u, 40u);
  spec.top_p = GENERATE(1.0f, 0.6f);
  spec.repetition_penalty = GENERATE(1.0f, 1.3f);
  spec.logit_bias = {{1, 50.0f}, {3, -100.0f}, {kEnd, 100.0f}};
  spec.top_logprobs = 2;
  const auto values = Draws(spec, 0, 7, {});
  std::vector<TokenId> ids;
  for (size_t i = 0; i < values.size(); ++i) {
    ids.push_back(values[i].id);
    CHECK((i < 5 ? values[i].id % 3 == 0 && values[i].id < 150 : values[i].id == kEnd));
    // Log-probabilities are the model's own, of all tokens.
    CHECK(values[i].top.size() == 2);
    CHECK(values[i].logprob <= values[i].top[0].logprob);
  }
  // Taken up midway, the same tokens.
  for (const uint32_t cut : {1u, 4u, 6u}) {
    const auto rest = Draws(spec, cut, 7, {ids.begin(), ids.begin() + cut});
    for (uint32_t i = cut; i < 7; ++i) CHECK(rest[i - cut].id == ids[i]);
  }
}

TEST_CASE("the draw among what is allowed is the draw without the rest") {
  SamplingSpec spec;
  spec.constraint = std::make_shared<Threes>(true);
  spec.temperature = 1.5f;
  std::set<TokenId> seen;
  for (uint64_t seed = 0; seed < 400; ++seed) {
    spec.seed = seed;
    seen.insert(Draws(spec, 0, 1, {})[0].id);
  }
  CHECK(seen.size() > 30);  // of 50
}

}  // namespace
}  // namespace waferline::sampling
