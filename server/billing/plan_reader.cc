// Plans of a price book.
#include "absl/strings/str_cat.h"
#include "server/billing/price_book_reader.h"
#include "server/contracts/contract_reader.h"
#include "server/contracts/schedule.h"
#include "wafer_backend/base/yaml_optional.h"
#include "wafer_backend/base/yaml_parsed.h"

namespace waferline::billing {
namespace {

constexpr int64_t kMaxTokensPerMinute = 1'000'000'000'000;

std::vector<Reservation> ReadReservations(YamlForm& form) {
  std::vector<Reservation> reservations;
  if (!form.Has("reserved")) return reservations;
  for (YamlForm& entry : BoundedList(form, "reserved", kMaxSteps)) {
    Reservation it;
    it.model = entry.Text("model");
    it.tokens_per_minute = entry.Integer("tokens_per_minute", 1, kMaxTokensPerMinute);
    it.per_minute = ParsedField<UnitPrice>(entry, "per_minute", UnitPrice::ParsePerUnit);
    for (const Reservation& other : reservations) {
      if (other.model == it.model) entry.AddError("model", "is reserved twice");
    }
    entry.RefuseOthers();
    reservations.push_back(std::move(it));
  }
  return reservations;
}

// Steps rise, only the last one is open, and none takes off more than everything.
std::vector<VolumeStep> ReadVolume(YamlForm& form) {
  std::vector<VolumeStep> steps;
  if (!form.Has("volume")) return steps;
  std::vector<YamlForm> entries = BoundedList(form, "volume", kMaxSteps);
  for (size_t i = 0; i < entries.size(); ++i) {
    YamlForm& entry = entries[i];
    VolumeStep step;
    step.off = ParsedField<Multiplier>(entry, "off", Multiplier::Parse);
    if (step.off > Multiplier()) entry.AddError("off", "must lie in [0, 1]");
    const bool last = i + 1 == entries.size();
    if (entry.Has("up_to")) step.up_to = ParsedField<Money>(entry, "up_to", Money::Parse);
    if (entry.Has("up_to") == last) {
      entry.AddError("up_to", last ? "the last step has no end" : "is missing");
    }
    const Money before = steps.empty() ? Money() : steps.back().up_to.value_or(Money());
    if (step.up_to.has_value() && *step.up_to <= before) {
      entry.AddError("up_to", absl::StrCat("must be above ", before.Format()));
    }
    entry.RefuseOthers();
    steps.push_back(step);
  }
  return steps;
}

// Of a contract of deploy/contracts, or a path: its months at the share that is paid if unused, and
// what it promises of availability.
void ReadContract(YamlForm& form, Plan* plan) {
  const auto fault = [&](const absl::Status& status) {
    form.AddError("contract", std::string(status.message()));
  };
  const auto contract = contracts::LoadContract(form.Text("contract"));
  if (!contract.ok()) return fault(contract.status());
  const auto schedule = contracts::ScheduleOf(*contract, {.used = *Multiplier::Parse("0")});
  if (!schedule.ok()) return fault(schedule.status());
  for (const contracts::ScheduleMonth& row : schedule->months) {
    const absl::StatusOr<Money> minimum = Money::FromCents(row.billed);
    if (!minimum.ok()) return fault(minimum.status());
    plan->committed.push_back({row.month, *minimum});
  }
  plan->service = contract->service;
}

}  // namespace

Plan ReadPlan(YamlForm& form) {
  Plan plan;
  plan.name = form.Text("name");
  plan.billed =
      ChoiceOr<Billed>(form, "bill", Billed::kTokens,
                       {{"tokens", Billed::kTokens}, {"compute_time", Billed::kComputeTime}});
  plan.prepaid = form.Flag("prepaid", false);
  plan.reserved = ReadReservations(form);
  plan.volume = ReadVolume(form);
  if (form.Has("contract")) ReadContract(form, &plan);
  if (form.Has("service")) {
    if (plan.service) form.AddError("service", "is given by the contract already");
    plan.service = contracts::ReadService(form.Map("service"));
  }
  if (plan.billed == Billed::kTokens && !plan.committed.empty()) {
    form.AddError("contract", "commits to system time: the plan needs bill: compute_time");
  }
  if (plan.billed == Billed::kComputeTime && !plan.reserved.empty()) {
    form.AddError("reserved", "tokens are reserved by plans with bill: tokens alone");
  }
  form.RefuseOthers();
  return plan;
}

}  // namespace waferline::billing
