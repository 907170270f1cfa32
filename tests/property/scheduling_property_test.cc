// Ten thousand short runs over random clouds, loads, readers, cancels and faults. A seed that fails
// is printed; WAFERLINE_SEED=<seed> build/tests/test_property runs that one alone.
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <set>
#include <string>

#include "tests/unit/scheduler/engine/churn.h"

namespace waferline::engine {
namespace {

constexpr uint64_t kRuns = 10'000;
constexpr int kStepsEach = 40;

// A failed check of the engine aborts the process, so the seed is printed by the signal's handler.
volatile uint64_t running_seed = 0;
void PrintSeed(int) {
  char text[96];
  const int length =
      std::snprintf(text, sizeof(text), "to repeat: WAFERLINE_SEED=%lu build/tests/test_property\n",
                    static_cast<unsigned long>(running_seed));
  if (write(2, text, length) < 0) return;
}

TEST_CASE("whatever happens, every law holds after every event") {
  uint64_t first = 1'000'000;
  uint64_t runs = kRuns;
  if (const char* seed = std::getenv("WAFERLINE_SEED")) {
    first = std::stoull(seed);
    runs = 1;
  }
  std::signal(SIGABRT, PrintSeed);
  std::set<uint64_t> digests;
  uint64_t tokens = 0;
  for (uint64_t seed = first; seed < first + runs; ++seed) {
    INFO("to repeat: WAFERLINE_SEED=" << seed << " build/tests/test_property");
    running_seed = seed;
    const Churn churn = RunChurn(seed, kStepsEach);
    digests.insert(churn.digest);
    tokens += churn.tokens;
    if (seed % 100 == 0) REQUIRE(RunChurn(seed, kStepsEach).digest == churn.digest);
  }
  if (runs > 1) {
    REQUIRE(digests.size() > runs * 9 / 10);  // the runs differ
    REQUIRE(tokens > runs * 20);              // and do something
  }
}

}  // namespace
}  // namespace waferline::engine
