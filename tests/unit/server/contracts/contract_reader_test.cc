#include "server/contracts/contract_reader.h"

#include <catch2/catch.hpp>

#include "absl/strings/str_replace.h"
#include "server/contracts/schedule.h"

namespace waferline::contracts {
namespace {

constexpr const char* kGood = R"(name: c
buyer: b
committed_mw: 10
deliver: {from: 2026-01, to: 2026-06}
mw_basis: {value: it, mark: "?", source: ours}
kw_per_system: {value: 23, mark: P, source: datasheet}
term_months: {value: 12, mark: "?", source: ours}
options: [{name: o, extra_mw: 5, exercise_by: 2026-06, deliver: {from: 2026-07, to: 2026-12}}]
price: {total_usd: 1e6}
loan: {principal_usd: 10, drawn: 2026-01, rate: "0.06", instalments: 2, first: 2026-02}
warrant: {shares: 3, value_usd: 1, parts: [{shares: 3, on: month, month: 2026-01}]}
)";

std::string ErrorOf(const char* from, const char* to) {
  const auto contract = ParseContract("c.yaml", absl::StrReplaceAll(kGood, {{from, to}}));
  return contract.ok() ? "" : std::string(contract.status().message());
}

TEST_CASE("contract files are checked, with line and field") {
  CHECK(ErrorOf("name: c", "name: c") == "");
  CHECK(ErrorOf("exercise_by: 2026-06", "exercise_by: 2027-01") ==
        "c.yaml:8: options[0].exercise_by: is 2027-01, after the last delivery, 2026-12");
  CHECK(ErrorOf("total_usd: 1e6", "total_usd: 1e6, usd_per_mw_year: 5") ==
        "c.yaml:9: price.usd_per_mw_year: is a second price; give exactly one");
  CHECK(ErrorOf("{total_usd: 1e6}", "{}") ==
        "c.yaml:9: price.total_usd: no price: give total_usd, usd_per_mw_year or "
        "usd_per_system_hour");
  CHECK(ErrorOf("total_usd: 1e6", "total_usd: 0.001") ==
        "c.yaml:9: price.total_usd: \"0.001\" has more than 2 decimals\n"
        "c.yaml:9: price.total_usd: must be above 0");
  CHECK(ErrorOf("committed_mw: 10", "committed_mw: -1") ==
        "c.yaml:3: committed_mw: must lie above 0 and not above 1e+06 MW");
  CHECK(ErrorOf("shares: 3, on", "shares: 2, on") ==
        "c.yaml:11: warrant.parts: sum to 2 shares, not to 3");
  CHECK(ErrorOf("rate: \"0.06\"", "rate: 6") == "c.yaml:10: loan.rate: must lie in [0, 1]");
  CHECK(ErrorOf("first: 2026-02", "first: 2026-01") ==
        "c.yaml:10: loan.first: must be after drawn");
  CHECK(ErrorOf("to: 2026-06}", "to: 2025-06}").find("c.yaml:4: deliver.to: lies before from") !=
        std::string::npos);
  CHECK(ErrorOf("buyer: b", "buyer: b\nbuyr: x").find("c.yaml:3: buyr: is not known here") !=
        std::string::npos);
  CHECK(ErrorOf("mark: P", "mark: X").find("kw_per_system.mark: must be P") != std::string::npos);
}

TEST_CASE("a price beyond what money holds is an error, not a crash") {
  const auto contract = ParseContract(
      "c.yaml", absl::StrReplaceAll(kGood, {{"total_usd: 1e6", "usd_per_mw_year: 9e13"},
                                            {"committed_mw: 10", "committed_mw: 1e6"}}));
  REQUIRE(contract.ok());
  CHECK(ScheduleOf(*contract, {}).status().code() == absl::StatusCode::kOutOfRange);
}

}  // namespace
}  // namespace waferline::contracts
