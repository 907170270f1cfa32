// A contract's loan and warrant.
#include "absl/strings/str_cat.h"
#include "server/contracts/contract_reader.h"
#include "server/money/decimal.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/yaml_form.h"
#include "wafer_backend/base/yaml_optional.h"
#include "wafer_backend/base/yaml_parsed.h"

namespace waferline::contracts {
namespace {

constexpr size_t kMaxParts = 50;
constexpr int64_t kMaxShares = 1'000'000'000'000;
constexpr int64_t kKwInMw = 1000;

absl::StatusOr<int64_t> ParseRate(std::string_view text) {
  WL_ASSIGN_OR_RETURN(const int64_t ppm, ParseScaledInt(text, 6));
  if (ppm < 0 || ppm > 1'000'000) return absl::InvalidArgumentError("must lie in [0, 1]");
  return ppm;
}

WarrantPart ReadPart(YamlForm& form) {
  WarrantPart part;
  part.shares = form.Integer("shares", 1, kMaxShares);
  part.on = ChoiceOr<WarrantPart::On>(
      form, "on", WarrantPart::On::kMonth,
      {{"month", WarrantPart::On::kMonth}, {"delivered_mw", WarrantPart::On::kDelivery}});
  if (part.on == WarrantPart::On::kMonth) {
    part.month = ReadMonth(form, "month");
  } else {
    part.linear_to_kw = kKwInMw * form.Integer("linear_to", 1, 1'000'000);
  }
  form.RefuseOthers();
  return part;
}

}  // namespace

Loan ReadLoan(YamlForm form) {
  Loan loan;
  loan.principal = ParsedField<Cents>(form, "principal_usd", ParseCents);
  if (loan.principal <= Cents()) form.AddError("principal_usd", "must be above 0");
  loan.drawn = ReadMonth(form, "drawn");
  loan.rate_ppm = ParsedField<int64_t>(form, "rate", ParseRate);
  loan.instalments = static_cast<int>(form.Integer("instalments", 1, kMaxContractMonths));
  loan.first = ReadMonth(form, "first");
  if (loan.first <= loan.drawn) form.AddError("first", "must be after drawn");
  loan.by = ChoiceOr<Repayment>(form, "by", Repayment::kCash,
                                {{"cash", Repayment::kCash},
                                 {"capacity", Repayment::kCapacity},
                                 {"mixed", Repayment::kMixed}});
  if (loan.by == Repayment::kMixed) {
    loan.capacity_share = ParsedField<Multiplier>(form, "capacity_share", Multiplier::Parse);
    if (loan.capacity_share > Multiplier()) form.AddError("capacity_share", "must lie in [0, 1]");
  }
  form.RefuseOthers();
  return loan;
}

Warrant ReadWarrant(YamlForm form) {
  Warrant warrant;
  warrant.shares = form.Integer("shares", 1, kMaxShares);
  warrant.value = ParsedField<UnitPrice>(form, "value_usd", UnitPrice::ParsePerUnit);
  int64_t sum = 0;
  for (YamlForm& entry : BoundedList(form, "parts", kMaxParts)) {
    warrant.parts.push_back(ReadPart(entry));
    sum += warrant.parts.back().shares;
  }
  if (sum != warrant.shares) {
    form.AddError("parts", absl::StrCat("sum to ", sum, " shares, not to ", warrant.shares));
  }
  form.RefuseOthers();
  return warrant;
}

}  // namespace waferline::contracts
