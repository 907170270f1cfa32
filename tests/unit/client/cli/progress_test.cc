#include "client/cli/frame/progress.h"

#include <catch2/catch.hpp>

namespace waferline::cli {
namespace {

TEST_CASE("a progress line shows the share that is done and fits its columns") {
  const Progress progress("running", 200, false);
  CHECK(progress.Line(0, "", 80) == "running [............................] 0/200");
  CHECK(progress.Line(100, "9 tokens/s", 80) ==
        "running [##############..............] 100/200  9 tokens/s");
  CHECK(progress.Line(500, "", 80) == "running [############################] 500/200");
  CHECK(progress.Line(100, "9 tokens/s", 20).size() == 20);
  CHECK(Progress("reading", 0, false).Line(17, "", 80) == "reading 17");
  const auto left = [](int64_t done, double elapsed) {
    return Progress::TimeLeft(done, 200, std::chrono::duration<double>(elapsed));
  };
  CHECK(left(0, 1) == "");
  CHECK(left(100, 12) == "12 s");
  CHECK(left(200, 12) == "0 s");
  CHECK(left(1, 1.005) == "3 min 20 s");
  CHECK(left(2, 40) == "1 h 6 min");
  CHECK(Progress::TimeLeft(5, 0, std::chrono::seconds(1)) == "");
}

}  // namespace
}  // namespace waferline::cli
