#include "server/billing/rating.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/name_table.h"
#include "wafer_backend/base/status.h"

namespace waferline::billing {
namespace {

constexpr NamedValue<UsageEnd> kEndNames[] = {{"finished", UsageEnd::kFinished},
                                              {"cancelled", UsageEnd::kCancelled},
                                              {"deadline", UsageEnd::kDeadline},
                                              {"failed", UsageEnd::kFailed},
                                              {"interrupted", UsageEnd::kInterrupted}};

constexpr NamedValue<Meter> kMeterNames[] = {{"input", Meter::kInput},
                                             {"cached_input", Meter::kCachedInput},
                                             {"output", Meter::kOutput},
                                             {"system_time", Meter::kSystemTime}};

absl::Status CheckCounts(const UsageRecord& record) {
  for (const int64_t count : {record.prompt_tokens, record.cached_tokens, record.generated_tokens,
                              record.system_ns, record.accelerator_ns, record.microjoules}) {
    if (count < 0) {
      return absl::InvalidArgumentError(absl::StrCat("usage ", record.id, " has a negative count"));
    }
  }
  if (record.cached_tokens > record.prompt_tokens) {
    return absl::InvalidArgumentError(absl::StrCat("usage ", record.id, " has ",
                                                   record.cached_tokens, " cached tokens of ",
                                                   record.prompt_tokens, " prompt tokens"));
  }
  return absl::OkStatus();
}

absl::Status AddLine(Meter meter, int64_t quantity, UnitPrice price, Charge* charge) {
  if (quantity == 0) return absl::OkStatus();
  WL_ASSIGN_OR_RETURN(const Money amount, price.Of(quantity));
  charge->lines.push_back({meter, quantity, price, amount});
  return charge->total.Add(amount);
}

}  // namespace

std::string_view Name(UsageEnd end) { return NameIn(kEndNames, end); }

absl::StatusOr<UsageEnd> UsageEndNamed(std::string_view name) {
  if (const auto end = ValueNamed(kEndNames, name)) return *end;
  return absl::InvalidArgumentError(absl::StrCat("end ", NotOneOf(name, NamesOf(kEndNames))));
}

std::string_view Name(Meter meter) { return NameIn(kMeterNames, meter); }

std::string_view UnitOf(Meter meter) {
  return meter == Meter::kSystemTime ? "system-nanoseconds" : "tokens";
}

absl::StatusOr<Charge> Rate(const PriceBook& book, const UsageRecord& record) {
  WL_RETURN_IF_ERROR(CheckCounts(record));
  WL_ASSIGN_OR_RETURN(const PriceVersion* version, book.At(record.admitted_us));
  WL_ASSIGN_OR_RETURN(const Plan* plan, version->PlanNamed(record.plan));
  Charge charge{.version_us = version->effective_us};
  if (!IsCharged(record.end) || plan->billed == Billed::kComputeTime) return charge;
  WL_ASSIGN_OR_RETURN(const ModelPrices* model, version->TokensOf(record.model));
  const TokenPrices& prices = model->TokensFor(record.served, record.prompt_tokens);
  const int64_t fresh = record.prompt_tokens - record.cached_tokens;
  WL_RETURN_IF_ERROR(AddLine(Meter::kInput, fresh, prices.input, &charge));
  WL_RETURN_IF_ERROR(
      AddLine(Meter::kCachedInput, record.cached_tokens, prices.cached_input, &charge));
  WL_RETURN_IF_ERROR(AddLine(Meter::kOutput, record.generated_tokens, prices.output, &charge));
  return charge;
}

absl::StatusOr<Charge> RateOrFree(const PriceBook& book, const UsageRecord& record) {
  WL_RETURN_IF_ERROR(CheckCounts(record));
  const absl::StatusOr<const PriceVersion*> version = book.At(record.admitted_us);
  if (!version.ok()) return Charge{};
  WL_ASSIGN_OR_RETURN(const Plan* plan, (*version)->PlanNamed(record.plan));
  if (plan->billed == Billed::kTokens && !(*version)->TokensOf(record.model).ok()) {
    return Charge{.version_us = (*version)->effective_us};
  }
  return Rate(book, record);
}

absl::StatusOr<Money> CountedCost(const PriceBook& book, const UsageRecord& record) {
  WL_ASSIGN_OR_RETURN(Charge charge, RateOrFree(book, record));
  WL_ASSIGN_OR_RETURN(const Money time, ComputeTimeCost(book, record));
  WL_RETURN_IF_ERROR(charge.total.Add(time));
  return charge.total;
}

absl::StatusOr<Money> ComputeTimeCost(const PriceBook& book, const UsageRecord& record) {
  const absl::StatusOr<const PriceVersion*> version = book.At(record.admitted_us);
  if (!version.ok() || !IsCharged(record.end)) return Money();
  WL_ASSIGN_OR_RETURN(const Plan* plan, (*version)->PlanNamed(record.plan));
  if (plan->billed != Billed::kComputeTime) return Money();
  const absl::StatusOr<UnitPrice> second = (*version)->SystemSecondOf(record.model);
  if (!second.ok()) return Money();
  constexpr int64_t kSecond = 1'000'000'000;
  return second->OfParts(record.system_ns, kSecond);
}

absl::StatusOr<Money> RateAtMost(const PriceBook& book, UsageRecord record, int64_t max_tokens) {
  record.end = UsageEnd::kFinished;
  record.cached_tokens = 0;
  record.generated_tokens = max_tokens;
  Money most;
  for (const Tier served : {record.asked, Tier::kDefault}) {
    if (served != record.asked && record.asked != Tier::kPriority) continue;
    record.served = served;
    WL_ASSIGN_OR_RETURN(const Money counted, CountedCost(book, record));
    most = std::max(most, counted);
  }
  return most;
}

}  // namespace waferline::billing
