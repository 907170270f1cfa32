#include "scheduler/search/slo.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "wafer_backend/base/name_table.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"

namespace waferline::search {
namespace {

constexpr size_t kMaxTerms = 8;
constexpr NamedValue<Latency> kLatencies[] = {
    {"ttft", Latency::kTtft}, {"tpot", Latency::kTpot}, {"e2e", Latency::kE2e}};
// The longer names first: "ms" ends in "s".
constexpr NamedValue<double> kUnitsNs[] = {{"us", 1e3}, {"ms", 1e6}, {"s", 1e9}};

absl::Status WrongTerm(std::string_view term, std::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("\"", Absl(term), "\": ", Absl(what)));
}

std::optional<double> NanosecondsIn(std::string_view text) {
  for (const auto& [unit, ns] : kUnitsNs) {
    if (!text.ends_with(unit)) continue;
    text.remove_suffix(unit.size());
    double count = 0;
    if (!absl::SimpleAtod(Absl(text), &count)) return std::nullopt;
    return count * ns;
  }
  return std::nullopt;
}

absl::StatusOr<SloTerm> ParseTerm(std::string_view text) {
  const size_t colon = text.find(':'), less = text.find('<');
  if (colon == std::string_view::npos || less == std::string_view::npos || less < colon) {
    return WrongTerm(text, "must be LATENCY:pPERCENT<TIME, as in ttft:p99<500ms");
  }
  SloTerm term{.text = std::string(text)};
  const std::string_view name = text.substr(0, colon);
  const auto latency = ValueNamed(kLatencies, name);
  if (!latency) return WrongTerm(text, absl::StrCat(NotOneOf(name, NamesOf(kLatencies))));
  term.latency = *latency;
  const std::string_view percentile = text.substr(colon + 1, less - colon - 1);
  double percent = 0;
  if (!percentile.starts_with('p') || !absl::SimpleAtod(Absl(percentile.substr(1)), &percent) ||
      !(percent > 0 && percent < 100)) {
    return WrongTerm(text,
                     "the percentile must be pN with N above 0 and below 100, as p99 or p99.9");
  }
  term.late_per_million = static_cast<uint32_t>(std::lround((100 - percent) * 1e4));
  const std::optional<double> ns = NanosecondsIn(text.substr(less + 1));
  if (!ns || !(*ns >= 1 && *ns <= 1e15)) {
    return WrongTerm(text,
                     "the time must be a number with its unit (us, ms, s), from 1 ns to 1e6 s");
  }
  term.limit = Nanoseconds(std::llround(*ns));
  return term;
}

}  // namespace

absl::StatusOr<Slo> ParseSlo(std::string_view text) {
  Slo slo;
  for (const absl::string_view item : absl::StrSplit(Absl(text), ',')) {
    WL_ASSIGN_OR_RETURN(SloTerm term, ParseTerm(Std(item)));
    const bool twice = std::any_of(slo.begin(), slo.end(), [&](const SloTerm& other) {
      return other.latency == term.latency && other.late_per_million == term.late_per_million;
    });
    if (twice) return WrongTerm(term.text, "this percentile is given twice");
    slo.push_back(std::move(term));
    if (slo.size() > kMaxTerms)
      return WrongTerm(text, absl::StrCat("more than ", kMaxTerms, " terms"));
  }
  return slo;
}

void SloWatch::MissAll() {
  ++unanswered_;
  for (Term& term : terms_) ++term.late;
}

void SloWatch::OnRefused(const engine::SequenceInfo& sequence, policy::RefusalCause cause,
                         Nanoseconds retry_after) {
  MissAll();
}

void SloWatch::OnOutcome(const engine::OutcomeInfo& info) {
  const Outcome& outcome = *info.outcome;
  if (outcome.reason != FinishReason::kStop && outcome.reason != FinishReason::kLength) {
    MissAll();
    return;
  }
  // A request of one token has no tpot, one without tokens no ttft: neither late nor in time.
  const std::optional<Nanoseconds> took[] = {
      outcome.generated_tokens > 0 ? std::optional(info.first_token_at - info.sequence.arrival)
                                   : std::nullopt,
      outcome.generated_tokens > 1 ? std::optional((info.last_token_at - info.first_token_at) /
                                                   (outcome.generated_tokens - 1))
                                   : std::nullopt,
      outcome.times.total()};
  for (size_t i = 0; i < slo_.size(); ++i) {
    const std::optional<Nanoseconds>& time = took[static_cast<size_t>(slo_[i].latency)];
    if (time) ++(*time < slo_[i].limit ? terms_[i].met : terms_[i].late);
  }
}

bool SloWatch::Hopeless(uint64_t offered) const {
  for (size_t i = 0; i < slo_.size(); ++i) {
    if (terms_[i].late > slo_[i].AllowedOf(offered)) return true;
  }
  return false;
}

}  // namespace waferline::search
