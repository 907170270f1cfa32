#include "server/tenancy/usage_ledger.h"

#include <catch2/catch.hpp>
#include <thread>
#include <vector>

namespace waferline::tenancy {

TEST_CASE("law: the rows' sum is what was recorded, from however many threads") {
  UsageLedger ledger;
  const Outcome outcome = {.prompt_tokens = 5,
                           .cached_tokens = 2,
                           .generated_tokens = 7,
                           .times = {.decode = Milliseconds(500)}};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 100; ++i) ledger.Record(t % 2 == 0 ? "a" : "b", "m", outcome);
    });
  }
  for (std::thread& thread : threads) thread.join();
  const auto rows = ledger.Rows();
  REQUIRE(rows.size() == 2);
  for (const auto& [key, row] : rows) {
    CHECK(row.requests == 200);
    CHECK(row.prompt_tokens == 1000);
    CHECK(row.cached_tokens == 400);
    CHECK(row.generated_tokens == 1400);
    CHECK(row.decode_time == Seconds(100));
  }
  CHECK(ledger.ToJson().find(R"({"tenant":"a","model":"m","requests":200)") != std::string::npos);
}

}  // namespace waferline::tenancy
