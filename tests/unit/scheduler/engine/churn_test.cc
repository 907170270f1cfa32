// Everything at once, over random clouds. The laws are checked
// after every event (SmallCloud::Run).
#include "tests/unit/scheduler/engine/churn.h"

namespace waferline::engine {
namespace {

TEST_CASE("under churn nothing leaks, everything ends once, and a seed repeats it") {
  uint64_t tokens = 0;
  for (uint64_t seed = 1; seed <= 150; ++seed) {
    CAPTURE(seed);
    const Churn churn = RunChurn(seed);
    tokens += churn.tokens;
    if (seed % 10 == 0) REQUIRE(RunChurn(seed).digest == churn.digest);
  }
  REQUIRE(tokens > 10'000);
}

}  // namespace
}  // namespace waferline::engine
