#include "server/billing/price_book_reader.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/built_in_files.h"
#include "wafer_backend/base/calendar.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/yaml_form.h"
#include "wafer_backend/base/yaml_optional.h"
#include "wafer_backend/base/yaml_parsed.h"

namespace waferline::billing {
namespace {

constexpr int64_t kMaxPromptTokens = 1'000'000'000;

struct Multipliers {
  std::array<Multiplier, kTiers> tier;
  Multiplier long_input;
  Multiplier long_output;
};

Multipliers ReadMultipliers(YamlForm& form, ModelPrices* out) {
  Multipliers by;
  if (form.Has("tiers")) {
    YamlForm tiers = form.Map("tiers");
    for (int t = 0; t < kTiers; ++t) {
      const std::string name(Name(static_cast<Tier>(t)));
      by.tier[static_cast<size_t>(t)] = ParsedFieldOr(tiers, name, Multiplier(), Multiplier::Parse);
    }
    tiers.RefuseOthers();
  }
  if (form.Has("long_prompt")) {
    YamlForm longer = form.Map("long_prompt");
    out->long_above = longer.Integer("above", 1, kMaxPromptTokens);
    by.long_input = ParsedFieldOr(longer, "input", Multiplier(), Multiplier::Parse);
    by.long_output = ParsedFieldOr(longer, "output", Multiplier(), Multiplier::Parse);
    longer.RefuseOthers();
  }
  return by;
}

// `price` times `a` and `b`; a product that is not a whole picodollar is an error of `field`.
UnitPrice Product(YamlForm& form, const std::string& field, UnitPrice price,
                  std::pair<Multiplier, Multiplier> by) {
  auto product = price.Scaled(by.first);
  if (product.ok()) product = product->Scaled(by.second);
  if (product.ok()) return *product;
  form.AddError(field, std::string(product.status().message()));
  return price;
}

void ReadTokenPrices(YamlForm& form, ModelPrices* out) {
  out->has_tokens = form.Has("input") || form.Has("output");
  const Multipliers by = ReadMultipliers(form, out);
  if (!out->has_tokens) {
    for (const char* field : {"cached_input", "tiers", "long_prompt"}) {
      if (form.Has(field)) form.AddError(field, "needs input and output next to it");
    }
    return;
  }
  const UnitPrice input = ParsedField<UnitPrice>(form, "input", UnitPrice::ParsePerMillion);
  const bool has_cached = form.Has("cached_input");
  const UnitPrice cached = ParsedFieldOr(form, "cached_input", input, UnitPrice::ParsePerMillion);
  const UnitPrice output = ParsedField<UnitPrice>(form, "output", UnitPrice::ParsePerMillion);
  const auto scaled = [&](Multiplier tier, Multiplier in_by, Multiplier out_by) {
    TokenPrices prices;
    prices.input = Product(form, "input", input, {tier, in_by});
    prices.cached_input =
        has_cached ? Product(form, "cached_input", cached, {tier, in_by}) : prices.input;
    prices.output = Product(form, "output", output, {tier, out_by});
    return prices;
  };
  for (size_t t = 0; t < kTiers; ++t) {
    out->tokens[t].fill(scaled(by.tier[t], {}, {}));
    if (out->long_above) out->tokens[t][1] = scaled(by.tier[t], by.long_input, by.long_output);
  }
}

ModelPrices ReadModel(YamlForm& form) {
  ModelPrices model;
  model.model = form.Text("name");
  model.source = TextOr(form, "source", "");
  ReadTokenPrices(form, &model);
  if (form.Has("system_second")) {
    model.system_second = ParsedField<UnitPrice>(form, "system_second", UnitPrice::ParsePerUnit);
  }
  if (!model.has_tokens && !model.system_second.has_value()) {
    form.AddError("name", "has no price: needs input and output, or system_second");
  }
  form.RefuseOthers();
  return model;
}

PriceVersion ReadVersion(YamlForm& form) {
  PriceVersion version;
  version.effective_us = ParsedField<int64_t>(form, "effective", ParseInstant);
  for (YamlForm& entry : BoundedList(form, "models", kMaxModels)) {
    version.models.push_back(ReadModel(entry));
    RefuseRepeated(entry, version.models, &ModelPrices::model);
  }
  if (form.Has("plans")) {
    for (YamlForm& entry : BoundedList(form, "plans", kMaxPlans)) {
      version.plans.push_back(ReadPlan(entry));
      RefuseRepeated(entry, version.plans, &Plan::name);
    }
  }
  form.RefuseOthers();
  return version;
}

// A reservation is of a model that the version prices by the token.
void CheckReservations(YamlForm& form, const PriceVersion& version) {
  for (const Plan& plan : version.plans) {
    for (const Reservation& reserved : plan.reserved) {
      const auto prices = version.TokensOf(reserved.model);
      if (prices.ok()) continue;
      form.AddError("plans", absl::StrCat("plan \"", plan.name,
                                          "\": ", std::string(prices.status().message())));
    }
  }
}

}  // namespace

absl::StatusOr<PriceBook> ParsePriceBook(const std::string& name, std::string_view text) {
  PriceBook book{.name = name, .text = std::string(text)};
  YamlFile file(name, text);
  WL_RETURN_IF_ERROR(file.status());
  YamlForm root = file.root();
  if (root.Text("currency") != "USD") root.AddError("currency", "must be USD");
  for (YamlForm& entry : BoundedList(root, "versions", kMaxVersions)) {
    book.versions.push_back(ReadVersion(entry));
    const PriceVersion& version = book.versions.back();
    CheckReservations(entry, version);
    if (book.versions.size() == 1) continue;
    const PriceVersion& before = *std::prev(book.versions.end(), 2);
    if (version.effective_us <= before.effective_us) {
      entry.AddError("effective",
                     absl::StrCat("overlaps the version before it, which is from ",
                                  InstantText(before.effective_us), "; must be later"));
    }
  }
  if (book.versions.empty()) root.AddError("versions", "needs at least one version");
  root.RefuseOthers();
  WL_RETURN_IF_ERROR(file.status());
  return book;
}

absl::StatusOr<PriceBook> LoadPriceBook(const std::string& name_or_path) {
  WL_ASSIGN_OR_RETURN(const NamedText file, LoadNamedText("prices", name_or_path));
  return ParsePriceBook(file.name, file.text);
}

}  // namespace waferline::billing
