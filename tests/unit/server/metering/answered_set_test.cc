// Which answers a server that died had sent.
#include "server/metering/answered_set.h"

#include <catch2/catch.hpp>

#include "tests/unit/server/metering/meter_world.h"

namespace waferline::metering {

TEST_CASE("answered ordinals are kept as ranges, whatever order they come in") {
  AnsweredSet set;
  for (const int64_t ordinal : {5, 3, 1, 2, 9, 5, 8}) set.Add(ordinal);
  CHECK(set.Text() == "1-3,5,8-9");
  CHECK(set.FirstMissing() == 4);
  set.Add(4);
  CHECK(set.Text() == "1-5,8-9");
  CHECK(set.Contains(5));
  CHECK_FALSE(set.Contains(6));
  CHECK(AnsweredSet::Parse("1-5,8-9")->Text() == set.Text());
  CHECK(AnsweredSet::Parse("")->FirstMissing() == 1);
  for (const char* wrong : {"x", "3-2", "1-5,4", "1-", "1-2-3"}) {
    CHECK_FALSE(AnsweredSet::Parse(wrong).ok());
  }
}

TEST_CASE("a server says which requests are over, and the next one counts the others") {
  World world;
  for (const bool credit : {false, true}) {
    StoreMeter::Options options = Plain();
    {
      const auto meter = StoreMeter::Start(world.real.get(), options);
      auto sent = Admit(**meter, Requests(1, 5, 10)), unsent = Admit(**meter, Requests(2, 5, 10));
      for (auto* usage : {&sent, &unsent}) {
        (*usage)->Open(nullptr);
        (*usage)->Post(0, Ended(5, 7), [](const absl::Status&) {});
      }
      unsent->Post(1, Ended(5, 7), [](const absl::Status&) {});
      sent.reset();
      REQUIRE((*meter)->Flush());
      (*meter)->writer().Stop();  // as killed
    }
    options.credit_unconfirmed = credit;
    const auto next = StoreMeter::Start(world.real.get(), options);
    CHECK((*next)->unconfirmed() == 2);
    REQUIRE((*next)->Stop());
    const std::string sums = "SELECT SUM(charge_micro) * 1000000 + SUM(charge_pico) FROM ";
    CHECK(world.Number(sums + "usage") == world.Number(sums + "usage_hour"));
    CHECK(world.Number(sums + "usage") ==
          world.Number("SELECT spent_micro * 1000000 + spent_pico FROM account WHERE period > 0"));
  }
  CHECK(world.Number("SELECT COUNT(*) FROM usage WHERE reason = 'unconfirmed'") == 2);
  CHECK(world.Number("SELECT COUNT(*) FROM entry WHERE transfer LIKE '%:reversed'") == 5);
}

}  // namespace waferline::metering
