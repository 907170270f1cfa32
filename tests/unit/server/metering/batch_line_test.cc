// The records of a batch's line, which go with the row of its answer.
#include <catch2/catch.hpp>

#include "server/metering/store_meter.h"
#include "tests/unit/server/metering/meter_world.h"

namespace waferline::metering {

TEST_CASE("a batch's line is recorded with the row of its answer, or not at all") {
  World world;
  auto meter = StoreMeter::Start(world.real.get(), Plain());
  REQUIRE(meter.ok());
  const auto line = [&] {
    const auto requests = Requests(2, 10, 100);
    auto usage = (*meter)
                     ->Admit({.subject = {.tenant = "t",
                                          .model = "m",
                                          .asked = kBatchTier,
                                          .tier = kBatchTier,
                                          .endpoint = "test"},
                              .choices = requests})
                     .value();
    usage->Open(nullptr);
    CHECK((*meter)->Flush());  // so that its open rows are written
    int confirmed = 0;
    for (const int64_t choice : {0, 1}) {
      usage->Post(choice, Ended(10, 5),
                  [&](const absl::Status& status) { confirmed += status.ok(); });
    }
    CHECK(confirmed == 2);
    return usage->id().Text();
  };
  const auto count = [&](const std::string& status) {
    CHECK((*meter)->Flush());
    return world.Number("SELECT COUNT(*) FROM usage WHERE status = '" + status + "'");
  };
  const std::string first = line();
  CHECK((count("open") == 2 && count("posted") == 0));
  for (const bool kept : {true, false}) {
    const auto settle = (*meter)->TakeKeptBack(kept ? first : line());
    REQUIRE(settle);
    (*meter)->writer().Post(
        [settle, kept](store::Connection&) {
          settle(kept);
          return absl::OkStatus();
        },
        nullptr);
    CHECK((count("open") == 0 && count("posted") == 2));
  }
  CHECK_FALSE((*meter)->TakeKeptBack(first));
  CHECK(world.Number("SELECT SUM(records) FROM usage_hour") == 2);
  line();  // its answer has no row when the server ends
  CHECK((*meter)->Stop());
  CHECK(world.Number("SELECT COUNT(*) FROM usage") == 2);
  meter = StoreMeter::Start(world.real.get(), Plain());
  REQUIRE(meter.ok());
  CHECK(((*meter)->interrupted() == 0 && (*meter)->unconfirmed() == 0));
}

}  // namespace waferline::metering
