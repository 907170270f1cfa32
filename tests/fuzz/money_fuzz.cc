// fuzzes: server/billing server/contracts
// Decimal text, price books and contracts: whatever the bytes, an error or a value whose laws hold.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "server/billing/price_book_reader.h"
#include "server/billing/rating.h"
#include "server/contracts/concentration.h"
#include "server/contracts/contract_reader.h"
#include "server/contracts/schedule.h"
#include "server/money/money.h"
#include "wafer_backend/base/calendar.h"

namespace waferline {
namespace {

void Check(bool holds) {
  if (!holds) std::abort();
}

void Decimal(std::string_view text) {
  if (const auto money = Money::Parse(text); money.ok()) {
    Check(Money::Parse(money->Format()).value() == *money);
    Check(Money::FromColumns(money->ToColumns()).value() == *money);
  }
  if (const auto instant = ParseInstant(text); instant.ok()) {
    Check(ParseInstant(InstantText(*instant)).value() == *instant);
  }
  if (const auto month = ParseMonth(text); month.ok()) Check(MonthOf(month->begin_us()) == *month);
}

void Prices(std::string_view text) {
  const auto book = billing::ParsePriceBook("fuzz.yaml", text);
  if (!book.ok()) return;
  billing::UsageRecord record{.id = "1.1.0", .prompt_tokens = 1 << 20, .cached_tokens = 1000};
  for (const billing::PriceVersion& version : book->versions) {
    record.admitted_us = version.effective_us;
    for (const billing::ModelPrices& model : version.models) {
      record.model = model.model;
      (void)billing::Rate(*book, record);
    }
  }
}

void Contract(std::string_view text) {
  const auto contract = contracts::ParseContract("fuzz.yaml", text);
  if (!contract.ok()) return;
  const auto schedule = contracts::ScheduleOf(*contract, {});
  if (!schedule.ok()) return;
  Cents committed;
  for (const contracts::ScheduleMonth& month : schedule->months) committed += month.committed;
  Check(committed == schedule->total);
}

}  // namespace
}  // namespace waferline

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace waferline;
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 4) {
    case 0:
      Decimal(text);
      break;
    case 1:
      Prices(text);
      break;
    case 2:
      Contract(text);
      break;
    case 3:
      if (const auto rows = contracts::ParseCustomers("fuzz.csv", text); rows.ok()) {
        (void)contracts::ConcentrationOf(*rows, false);
      }
  }
  return 0;
}
