// A service-level objective over a whole run: "ttft:p99<500ms,tpot:p99<5ms" says that of all
// requests offered at least 99 % get their first token within 500 ms, and so on. A request that is
// refused, failed, cancelled or past its deadline misses every term: an answer that never comes is
// late. Plain values, any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "scheduler/engine/observer.h"
#include "wafer_backend/base/units.h"

namespace waferline::search {

enum class Latency : uint8_t { kTtft, kTpot, kE2e };

struct SloTerm {
  Latency latency = Latency::kTtft;
  uint32_t late_per_million = 0;  // requests that may be later: 10,000 of p99
  Nanoseconds limit;
  std::string text;  // as written: "ttft:p99<500ms"

  double share() const { return 1 - late_per_million * 1e-6; }
  uint64_t AllowedOf(uint64_t requests) const { return requests * late_per_million / 1'000'000; }
};
using Slo = std::vector<SloTerm>;

// Terms LATENCY:pPERCENT<TIME with a comma between: ttft, tpot (the mean time of a request's later
// tokens) or e2e; a percentile above 0 and below 100 with at most four decimals; a time in us, ms
// or s. At most 8 terms. InvalidArgument says which term is wrong and what is allowed.
absl::StatusOr<Slo> ParseSlo(std::string_view text);

// Counts a run's misses of each term.
class SloWatch : public engine::EngineObserver {
 public:
  explicit SloWatch(const Slo& slo) : slo_(slo), terms_(slo.size()) {}

  void OnRefused(const engine::SequenceInfo& sequence, policy::RefusalCause cause,
                 Nanoseconds retry_after) override;
  void OnOutcome(const engine::OutcomeInfo& info) override;

  struct Term {
    uint64_t late = 0;  // requests with no answer included
    uint64_t met = 0;   // requests that have this latency and are in time
  };
  const std::vector<Term>& terms() const { return terms_; }
  uint64_t unanswered() const { return unanswered_; }
  // Whether a term is missed already, whatever becomes of the rest of `offered` requests.
  bool Hopeless(uint64_t offered) const;

 private:
  void MissAll();

  const Slo slo_;
  std::vector<Term> terms_;
  uint64_t unanswered_ = 0;
};

}  // namespace waferline::search
