// Hard caps, prepaid balances and projects' shares, with many clients at once.
#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "server/metering/store_meter.h"
#include "tests/unit/server/metering/meter_world.h"
#include "wafer_backend/base/seeded_stream.h"

namespace waferline::metering {

TEST_CASE("spent and held never pass a hard cap or a prepaid balance, however many ask at once") {
  const std::string plan = GENERATE("", "payer");
  INFO(plan);
  World world;
  constexpr int64_t kCapMicro = 10'000;
  world.LimitTo(plan, kCapMicro);
  const auto meter = StoreMeter::Start(world.real.get(), Plain());
  std::atomic<int> admitted{0}, refused{0};
  std::vector<std::thread> clients;
  for (int client = 0; client < 8; ++client) {
    clients.emplace_back([&] {
      for (int i = 0; i < 25; ++i) {
        auto usage = Admit(**meter, Requests(1, 10, 100), true, plan);
        CHECK(usage->waits());
        // Holds 151 microdollars, spends half of that.
        usage->Open([&, usage](const absl::Status& status) {
          if (absl::IsResourceExhausted(status)) {
            ++refused;
            return usage->Withdraw(0);
          }
          ++admitted;
          usage->Post(0, Ended(10, 50), [](const absl::Status&) {});
        });
      }
    });
  }
  for (std::thread& client : clients) client.join();
  const auto over = [&] {
    return world.Number(
        "SELECT COALESCE(MAX(spent_micro + held_micro - CASE WHEN period = 0 THEN "
        "0 ELSE 10000 END), 0) FROM account WHERE period > 0 OR spent_micro < 0");
  };
  for (int i = 0; i < 200 && admitted + refused < 200; ++i) {
    CHECK(over() <= 0);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  REQUIRE((*meter)->Stop());
  CHECK(admitted > 60);
  CHECK(refused > 0);
  CHECK(admitted + refused == 200);
  CHECK(world.Number("SELECT MAX(held_micro) FROM account") == 0);
  CHECK(over() <= 0);
  CHECK(world.Number("SELECT COUNT(*) FROM usage") == admitted);
}

TEST_CASE("a refusal by a cap says what is spent, held, asked for, and the cap") {
  const auto [plan, why] = GENERATE(
      std::pair{"",
                "over the hard monthly spend of this tenant: of 0.0003 USD, 0.00007500003 are "
                "spent, "},
      std::pair{"payer",
                "the prepaid balance of this tenant is too low for the most that this request may "
                "cost: 0.00022499997 USD are left, "});
  World world;
  world.LimitTo(plan, 300);
  const auto meter = StoreMeter::Start(world.real.get(), Plain());
  std::vector<absl::Status> said;
  std::vector<std::shared_ptr<RequestUsage>> usages;  // each holds 151 microdollars
  for (int i = 0; i < 3; ++i) {
    usages.push_back(Admit(**meter, Requests(1, 10, 100), true, plan));
    usages.back()->Open([&](const absl::Status& status) { said.push_back(status); });
    REQUIRE((*meter)->writer().Flush(Seconds(60)));
    if (i > 0) continue;
    usages[0]->Post(0, Ended(10, 50), [](const absl::Status&) {});  // spends 75.00003
    REQUIRE((*meter)->writer().Flush(Seconds(60)));
  }
  REQUIRE(said.size() == 3);
  INFO(said[1] << "; " << said[2]);
  CHECK(said[1].ok());
  REQUIRE(absl::IsResourceExhausted(said[2]));
  CHECK(said[2].message() == absl::StrCat(why,
                                          "0.000151 held by "
                                          "requests in flight, and this one may cost up to "
                                          "0.000151: it fits with a max_tokens of 47 or less"));
  usages[1]->Post(0, Ended(10, 50), [](const absl::Status&) {});
  usages[2]->Withdraw(0);
  REQUIRE((*meter)->Stop());
}

TEST_CASE("a refusal by a cap says which max_tokens fit") {
  const auto seed = static_cast<uint64_t>(GENERATE(range(1, 40)));
  INFO("seed " << seed);
  SeededStream random(seed);
  const auto draw = [&](uint64_t below) { return static_cast<uint32_t>(random.Next() % below); };
  World world;
  const std::string plan = draw(2) == 0 ? "payer" : "";
  world.LimitTo(plan, draw(400));
  StoreMeter::Options options = Plain();
  if (draw(2) == 0) options.system_ns_per_token = [](const std::string&) { return 50; };
  const auto meter = StoreMeter::Start(world.real.get(), options);
  const uint32_t prompt = 1 + draw(3'000'000), choices = 1 + draw(3);
  const auto open = [&](uint32_t max_tokens) {
    absl::Status said;
    const auto usage = Admit(**meter, Requests(choices, prompt, max_tokens), true, plan);
    usage->Open([&](const absl::Status& status) { said = status; });
    REQUIRE((*meter)->writer().Flush(Seconds(60)));
    for (uint32_t choice = 0; choice < choices; ++choice) usage->Withdraw(choice);
    REQUIRE((*meter)->writer().Flush(Seconds(60)));
    return said;
  };
  const absl::Status said = open(1 + draw(1'000));
  INFO(said);
  uint32_t fits = 0;
  const size_t at = said.message().find("a max_tokens of ");
  if (at != said.message().npos) {
    fits = static_cast<uint32_t>(std::stoul(std::string(said.message().substr(at + 16))));
    CHECK(fits > 0);
    CHECK(open(fits).ok());
  }
  if (!said.ok()) CHECK_FALSE(open(fits + 3).ok());
  REQUIRE((*meter)->Stop());
}

TEST_CASE("a clean stop leaves nothing open or held, and a start what an ended server left so") {
  World world;
  world.SetQuota("hard_micro", 10'000);
  const auto held = [&] { return world.Number("SELECT MAX(held_micro) FROM account"); };
  const auto interrupted = [&] {
    return world.Number("SELECT COUNT(*) FROM usage WHERE status = 'interrupted'");
  };
  {
    const auto meter = StoreMeter::Start(world.real.get(), Plain());
    const auto usage = Admit(**meter, Requests(2, 10, 100), true);  // never over
    usage->Open([](const absl::Status&) {});
    REQUIRE((*meter)->writer().Flush(Seconds(60)));
    CHECK(held() > 0);
    REQUIRE((*meter)->Stop());
  }
  CHECK(held() == 0);
  CHECK(interrupted() == 2);
  // As servers left it that did not do so.
  REQUIRE(world.connection
              ->RunScript("UPDATE usage SET status = 'open', hold_micro = 100; "
                          "UPDATE account SET held_micro = 200")
              .ok());
  const auto meter = StoreMeter::Start(world.real.get(), Plain());
  CHECK((*meter)->interrupted() == 2);
  CHECK(held() == 0);
  CHECK(interrupted() == 2);
  REQUIRE((*meter)->Stop());
}

TEST_CASE("a hard cap of a tenant that pays compute time holds under races too") {
  World world;
  constexpr int64_t kCapMicro = 10'000, kNsPerToken = 2'000;
  world.SetQuota("hard_micro", kCapMicro);
  StoreMeter::Options options = Plain();
  options.system_ns_per_token = [](const std::string&) { return kNsPerToken; };
  const auto meter = StoreMeter::Start(world.real.get(), options);
  const std::vector<ValidRequest> requests = Requests(1, 10, 100);
  std::atomic<int> admitted{0}, refused{0};
  std::vector<std::thread> clients;
  for (int client = 0; client < 8; ++client) {
    clients.emplace_back([&] {
      for (int i = 0; i < 25; ++i) {
        // Holds 108 beats of 1 microdollar each, uses 60 microseconds of a system: 30 microdollars.
        auto usage = (*meter)
                         ->Admit({.subject = {.tenant = "t", .plan = "hours", .model = "m"},
                                  .choices = requests,
                                  .capped = true})
                         .value();
        usage->Open([&, usage](const absl::Status& status) {
          if (absl::IsResourceExhausted(status)) {
            ++refused;
            return usage->Withdraw(0);
          }
          ++admitted;
          Outcome outcome = Ended(10, 30);
          outcome.compute.wafer_ns = 60'000;
          usage->Post(0, outcome, [](const absl::Status&) {});
        });
      }
    });
  }
  for (std::thread& client : clients) client.join();
  const auto most = [&] {
    return world.Number("SELECT COALESCE(MAX(spent_micro + held_micro), 0) FROM account");
  };
  for (int i = 0; i < 12'000 && admitted + refused < 200; ++i) {
    CHECK(most() <= kCapMicro);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  REQUIRE((*meter)->Stop());
  CHECK(admitted + refused == 200);
  CHECK(admitted >= kCapMicro / 108);
  CHECK(most() <= kCapMicro);
  CHECK(world.Number("SELECT spent_micro FROM account WHERE period > 0") == 30 * admitted);
  CHECK(world.Number("SELECT SUM(charge_micro) FROM usage") == 30 * admitted);
  CHECK(world.Number("SELECT SUM(charge_micro) FROM usage_hour") == 30 * admitted);
}

TEST_CASE("a project passes neither its share of the tenant's hard cap nor the tenant that cap") {
  World world;
  world.SetQuota("hard_micro", 1'000);
  REQUIRE(world.connection->Run("INSERT INTO project_share VALUES('t', 'search', 250)", {}).ok());
  const auto meter = StoreMeter::Start(world.real.get(), Plain());
  const std::vector<ValidRequest> requests = Requests(1, 10, 40);  // holds 61 microdollars
  const auto admitted = [&](const std::string& project, int asks) {
    std::atomic<int> count{0};
    for (int i = 0; i < asks; ++i) {
      auto usage = (*meter)
                       ->Admit({.subject = {.tenant = "t", .project = project, .model = "m"},
                                .choices = requests,
                                .capped = true})
                       .value();
      usage->Open([&, usage](const absl::Status& status) {
        if (status.ok()) {
          ++count;
        } else {
          usage->Withdraw(0);
        }
      });
      REQUIRE((*meter)->writer().Flush(Seconds(60)));
    }
    return count.load();
  };
  CHECK(admitted("search", 10) == 4);  // 250 / 61
  CHECK(admitted("chat", 20) == 12);   // (1,000 - 4 x 61) / 61
  CHECK(world.Number("SELECT held_micro FROM account WHERE project = 'search'") == 4 * 61);
  (*meter)->writer().Stop();  // as killed
  const auto next = StoreMeter::Start(world.real.get(), Plain());
  CHECK((*next)->interrupted() == 16);
  CHECK(world.Number("SELECT SUM(held_micro) FROM account") == 0);
}

}  // namespace waferline::metering
