#include "server/billing/price_book.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/calendar.h"
#include "wafer_backend/base/name_table.h"

namespace waferline::billing {
namespace {

constexpr NamedValue<Tier> kTierNames[] = {{"default", Tier::kDefault},
                                           {"flex", Tier::kFlex},
                                           {"priority", Tier::kPriority},
                                           {"batch", Tier::kBatch}};

constexpr std::string_view kAnyModel = "*";

const ModelPrices* Find(const std::vector<ModelPrices>& models, std::string_view name) {
  const auto found = std::find_if(models.begin(), models.end(),
                                  [&](const ModelPrices& m) { return m.model == name; });
  return found == models.end() ? nullptr : &*found;
}

absl::Status NotPriced(const PriceVersion& version, std::string_view what, std::string_view model) {
  std::vector<std::string_view> names;
  for (const ModelPrices& prices : version.models) names.push_back(prices.model);
  return absl::NotFoundError(
      absl::StrCat("no price of ", std::string(what), " for model \"", std::string(model),
                   "\" from ", InstantText(version.effective_us), " on", DidYouMean(model, names)));
}

}  // namespace

std::string_view Name(Tier tier) { return NameIn(kTierNames, tier); }

absl::StatusOr<Tier> TierNamed(std::string_view name) {
  if (const auto tier = ValueNamed(kTierNames, name)) return *tier;
  return absl::InvalidArgumentError(absl::StrCat("tier ", NotOneOf(name, NamesOf(kTierNames))));
}

absl::StatusOr<const ModelPrices*> PriceVersion::TokensOf(std::string_view model) const {
  for (const std::string_view name : {model, kAnyModel}) {
    const ModelPrices* prices = Find(models, name);
    if (prices != nullptr && prices->has_tokens) return prices;
  }
  return NotPriced(*this, "tokens", model);
}

absl::StatusOr<UnitPrice> PriceVersion::SystemSecondOf(std::string_view model) const {
  for (const std::string_view name : {model, kAnyModel}) {
    const ModelPrices* prices = Find(models, name);
    if (prices != nullptr && prices->system_second.has_value()) return *prices->system_second;
  }
  return NotPriced(*this, "a system-second", model);
}

absl::StatusOr<const Plan*> PriceVersion::PlanNamed(std::string_view name) const {
  static const Plan* const pay_as_you_go = new Plan;
  if (name.empty()) return pay_as_you_go;
  std::vector<std::string_view> names;
  for (const Plan& plan : plans) {
    if (plan.name == name) return &plan;
    names.push_back(plan.name);
  }
  return absl::NotFoundError(absl::StrCat("plan ", NotOneOf(name, names)));
}

absl::StatusOr<const PriceVersion*> PriceBook::At(int64_t instant_us) const {
  const auto after = std::upper_bound(
      versions.begin(), versions.end(), instant_us,
      [](int64_t us, const PriceVersion& version) { return us < version.effective_us; });
  if (after == versions.begin()) {
    return absl::FailedPreconditionError(
        absl::StrCat(name, ": no prices are in force at ", InstantText(instant_us),
                     "; the first are from ", InstantText(versions.front().effective_us)));
  }
  return &*std::prev(after);
}

absl::Status CheckNotRepriced(const PriceBook& before, const PriceBook& now, int64_t until_us) {
  const auto changed = [&](const PriceVersion& version, std::string_view how) {
    return absl::FailedPreconditionError(absl::StrCat(
        now.name, ": the version that is effective ", InstantText(version.effective_us), " ",
        std::string(how), ", and usage up to ", InstantText(until_us),
        " is recorded: what was used keeps its price; add a version that is effective later"));
  };
  for (size_t i = 0; i < std::max(before.versions.size(), now.versions.size()); ++i) {
    const bool was = i < before.versions.size() && before.versions[i].effective_us <= until_us;
    const bool is = i < now.versions.size() && now.versions[i].effective_us <= until_us;
    if (!was && !is) break;
    if (!is) return changed(before.versions[i], "is missing");
    if (!was) return changed(now.versions[i], "is new");
    if (before.versions[i] != now.versions[i]) {
      return changed(now.versions[i], "is not what it was");
    }
  }
  return absl::OkStatus();
}

}  // namespace waferline::billing
