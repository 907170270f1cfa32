#include "server/contracts/contract_reader.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "server/money/decimal.h"
#include "wafer_backend/base/built_in_files.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/yaml_form.h"
#include "wafer_backend/base/yaml_optional.h"
#include "wafer_backend/base/yaml_parsed.h"

namespace waferline::contracts {
namespace {

constexpr size_t kMaxOptions = 20;
constexpr int64_t kMaxKw = 1'000'000'000;
constexpr double kKwPerMw = 1000;

// MW with at most 3 decimals, as kW.
absl::StatusOr<int64_t> ParseMw(std::string_view text) {
  WL_ASSIGN_OR_RETURN(const int64_t kw, ParseScaledInt(text, 3));
  if (kw <= 0 || kw > kMaxKw) {
    return absl::InvalidArgumentError(
        absl::StrCat("must lie above 0 and not above ", kMaxKw / kKwPerMw, " MW"));
  }
  return kw;
}

Delivery ReadDelivery(YamlForm form) {
  Delivery delivery;
  delivery.from = ReadMonth(form, "from");
  delivery.to = ReadMonth(form, "to");
  delivery.shape = ChoiceOr<Shape>(form, "shape", Shape::kEven,
                                   {{"even", Shape::kEven}, {"ramp", Shape::kRamp}});
  if (delivery.to < delivery.from) form.AddError("to", "lies before from");
  if (delivery.months() > kMaxContractMonths) {
    form.AddError("to", absl::StrCat("is more than ", kMaxContractMonths, " months after from"));
    delivery.to = delivery.from;
  }
  form.RefuseOthers();
  return delivery;
}

Option ReadOption(YamlForm& form, const Delivery& committed) {
  Option option;
  option.name = form.Text("name");
  option.extra_kw = ParsedField<int64_t>(form, "extra_mw", ParseMw);
  option.exercise_by = ReadMonth(form, "exercise_by");
  option.delivery = ReadDelivery(form.Map("deliver"));
  option.exercised = form.Flag("exercised", false);
  if (option.delivery.to < option.exercise_by) {
    form.AddError("exercise_by",
                  absl::StrCat("is ", option.exercise_by.Text(), ", after the last delivery, ",
                               option.delivery.to.Text()));
  }
  if (option.delivery.from < committed.from) {
    form.AddError("deliver", "begins before the contract's own delivery");
  }
  form.RefuseOthers();
  return option;
}

Price ReadPrice(YamlForm form) {
  Price price;
  int given = 0;
  for (const auto& [field, basis] : {std::pair("total_usd", PriceBasis::kTotal),
                                     {"usd_per_mw_year", PriceBasis::kMwYear},
                                     {"usd_per_system_hour", PriceBasis::kSystemHour}}) {
    if (!form.Has(field)) continue;
    price = {basis, ParsedField<Cents>(form, field, ParseCents)};
    if (++given > 1) form.AddError(field, "is a second price; give exactly one");
    if (price.amount <= Cents()) form.AddError(field, "must be above 0");
  }
  if (given == 0) {
    form.AddError("total_usd", "no price: give total_usd, usd_per_mw_year or usd_per_system_hour");
  }
  form.RefuseOthers();
  return price;
}

PassThrough ReadPassThrough(YamlForm& form) {
  PassThrough it;
  it.name = form.Text("name");
  it.per_kwh = ParsedFieldOr(form, "usd_per_kwh", UnitPrice(), UnitPrice::ParsePerUnit);
  it.per_mw_month = ParsedFieldOr(form, "usd_per_mw_month", UnitPrice(), UnitPrice::ParsePerUnit);
  if (form.Has("usd_per_kwh") == form.Has("usd_per_mw_month")) {
    form.AddError("name", "needs usd_per_kwh or usd_per_mw_month, one of the two");
  }
  form.RefuseOthers();
  return it;
}

Multiplier ReadShare(YamlForm& form, const std::string& field, Multiplier otherwise) {
  const Multiplier share = ParsedFieldOr(form, field, otherwise, Multiplier::Parse);
  if (share > Multiplier()) form.AddError(field, "must lie in [0, 1]");
  return share;
}

Disclosure ReadDisclosure(YamlForm& form) {
  constexpr Range kPercent{0, 100};
  Disclosure disclosure{.at = ReadMonth(form, "at")};
  disclosure.next_two_years = form.Plain("months_1_to_24", kPercent);
  disclosure.two_after = form.Plain("months_25_to_48", kPercent);
  disclosure.later = form.Plain("later", kPercent);
  disclosure.source = form.Text("source");
  const double sum = disclosure.next_two_years + disclosure.two_after + disclosure.later;
  if (sum < 99 || sum > 101) form.AddError("later", "the three must sum to 100 percent");
  form.RefuseOthers();
  return disclosure;
}

void ReadSize(YamlForm& root, Contract* out) {
  out->kw_per_system = root.Number("kw_per_system", Range{0.001, 100'000});
  const TextFact basis = root.Choice("mw_basis", {"it", "facility"});
  out->facility = basis.value == "facility";
  out->pue = {
      .value = 1, .low = 1, .high = 1, .mark = Mark::kDerived, .source = "MW are the systems'"};
  if (out->facility || root.Has("pue")) out->pue = root.Number("pue", Range{1, 10});
  if (!out->facility && root.Has("pue")) root.AddError("pue", "has no effect with mw_basis: it");
}

}  // namespace

Month ReadMonth(YamlForm& form, const std::string& field) {
  const std::string text = form.Text(field);
  const absl::StatusOr<Month> month = text.empty() ? Month() : ParseMonth(text);
  if (month.ok()) return *month;
  form.AddError(field, std::string(month.status().message()));
  return Month();
}

Service ReadService(YamlForm form) {
  Service service;
  service.availability = ReadShare(form, "availability", Multiplier());
  service.cap = ReadShare(form, "cap_share", Multiplier());
  form.RefuseOthers();
  return service;
}

absl::StatusOr<Contract> ParseContract(const std::string& name, std::string_view text) {
  YamlFile file(name, text);
  WL_RETURN_IF_ERROR(file.status());
  YamlForm root = file.root();
  Contract out;
  out.name = root.Text("name");
  out.buyer = root.Text("buyer");
  out.group = TextOr(root, "group", out.buyer);
  ReadSize(root, &out);
  out.committed_kw = ParsedField<int64_t>(root, "committed_mw", ParseMw);
  out.delivery = ReadDelivery(root.Map("deliver"));
  out.term_months = root.Whole("term_months", Range{1, kMaxContractMonths});
  if (root.Has("options")) {
    for (YamlForm& entry : BoundedList(root, "options", kMaxOptions)) {
      out.options.push_back(ReadOption(entry, out.delivery));
    }
  }
  out.price = ReadPrice(root.Map("price"));
  out.minimum_share = ReadShare(root, "minimum_share", Multiplier());
  if (root.Has("pass_through")) {
    for (YamlForm& entry : BoundedList(root, "pass_through", kMaxOptions)) {
      out.pass_through.push_back(ReadPassThrough(entry));
    }
  }
  if (root.Has("service")) out.service = ReadService(root.Map("service"));
  if (root.Has("loan")) out.loan = ReadLoan(root.Map("loan"));
  if (root.Has("warrant")) out.warrant = ReadWarrant(root.Map("warrant"));
  if (root.Has("disclosed")) {
    for (YamlForm& entry : BoundedList(root, "disclosed", kMaxOptions)) {
      out.disclosed.push_back(ReadDisclosure(entry));
    }
  }
  root.RefuseOthers();
  WL_RETURN_IF_ERROR(file.status());
  return out;
}

absl::StatusOr<Contract> LoadContract(const std::string& name_or_path) {
  WL_ASSIGN_OR_RETURN(const NamedText file, LoadNamedText("contracts", name_or_path));
  return ParseContract(file.name, file.text);
}

}  // namespace waferline::contracts
