// Usage records with a database that fails in every way, and with servers that die.
#include "server/metering/store_meter.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <functional>
#include <thread>

#include "server/billing/price_book_reader.h"
#include "server/metering/answered_set.h"
#include "server/metering/usage_batch.h"
#include "server/metering/usage_tables.h"
#include "tests/unit/server/store/temporary_store.h"

namespace waferline::metering {
namespace {

using store::Connection;
using store::IntegerOf;

constexpr int64_t kNowUs = 1'790'000'000'000'000;  // September 2026

Nanoseconds Now() {
  return Nanoseconds(std::chrono::steady_clock::now().time_since_epoch().count());
}

// 3 picodollars a prompt token, 1.5 million a generated one.
const billing::PriceBook& Prices() {
  static const auto* const kBook = new billing::PriceBook(
      billing::ParsePriceBook(
          "prices.yaml",
          "currency: USD\n"
          "versions:\n"
          "  - effective: 2026-01-01T00:00:00Z\n"
          "    models:\n"
          "      - {name: m, input: '0.000003', cached_input: '0', output: '1.5', system_second: "
          "'0.5', tiers: {priority: '2'}}\n"
          "    plans: [{name: hours, bill: compute_time}]\n")
          .value());
  return *kBook;
}

StoreMeter::Options Plain() {
  return {.host = "here",
          .patience = Seconds(60),
          .now = Now,
          .unix_us = [] { return kNowUs; },
          .prices = &Prices(),
          .open_delay = Nanoseconds(0)};
}

struct World {
  World() : real(store::OpenStore(folder.Url(), store::Durability::kProcess).value()) {
    connection = real->Connect().value();
  }
  int64_t Number(const std::string& sql) {
    const auto found = connection->Run(sql, {});
    INFO(found.status());
    REQUIRE(found.ok());
    REQUIRE(found->rows.size() == 1);
    return IntegerOf(found->rows[0][0]);
  }
  void SetQuota(const std::string& column, int64_t micro) {
    REQUIRE(connection
                ->Run("INSERT INTO quota(tenant, " + column +
                          ") VALUES('t', $1) ON CONFLICT(tenant) DO UPDATE SET " + column + " = $1",
                      {micro})
                .ok());
  }

  store::TemporaryFolder folder;
  std::unique_ptr<store::Store> real;
  std::unique_ptr<Connection> connection;
};

std::vector<ValidRequest> Requests(size_t choices, uint32_t prompt, uint32_t max_tokens) {
  std::vector<ValidRequest> requests(choices);
  const auto tokens = std::make_shared<const std::vector<TokenId>>(prompt, 7);
  for (ValidRequest& request : requests) {
    request.prompt = tokens;
    request.max_tokens = max_tokens;
  }
  return requests;
}

Outcome Ended(uint32_t prompt, uint32_t generated, FinishReason reason = FinishReason::kStop) {
  return {.reason = reason, .prompt_tokens = prompt, .generated_tokens = generated};
}

std::shared_ptr<RequestUsage> Admit(StoreMeter& meter, const std::vector<ValidRequest>& requests,
                                    bool capped = false) {
  return meter
      .Admit({.subject = {.tenant = "t", .model = "m", .tier = "default", .endpoint = "test"},
              .choices = requests,
              .capped = capped})
      .value();
}

}  // namespace

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
        [settle, kept](Connection&) {
          settle(kept);
          return absl::OkStatus();
        },
        nullptr);
    CHECK((count("open") == 0 && count("posted") == 2));
  }
  CHECK_FALSE((*meter)->TakeKeptBack(first));
  CHECK(world.Number("SELECT SUM(requests) FROM usage_hour") == 2);
  line();  // its answer has no row when the server ends
  CHECK((*meter)->Stop());
  CHECK(world.Number("SELECT COUNT(*) FROM usage") == 2);
  meter = StoreMeter::Start(world.real.get(), Plain());
  REQUIRE(meter.ok());
  CHECK(((*meter)->interrupted() == 0 && (*meter)->unconfirmed() == 0));
}

TEST_CASE("lost acknowledgements, refused commits and broken connections give the same sums") {
  const uint64_t seed = GENERATE(range(1, 7));
  INFO("seed " << seed);
  World world;
  store::FaultyStore faulty(world.real.get(),
                            {.lost = 0.15, .refused = 0.15, .broken = 0.02, .seed = seed});
  auto meter = StoreMeter::Start(&faulty, Plain());
  while (!meter.ok()) meter = StoreMeter::Start(&faulty, Plain());
  std::atomic<int> confirmed{0};
  const auto count = [&](const absl::Status& status) { confirmed += status.ok() ? 1 : 0; };
  int64_t prompt = 0, generated = 0, ends = 0, charge_pico = 0;
  std::vector<std::shared_ptr<RequestUsage>> all;
  for (uint32_t i = 0; i < 60; ++i) {
    const uint32_t choices = 1 + i % 3;
    auto usage = Admit(**meter, Requests(choices, 10 + i, 100));
    usage->Open(nullptr);
    for (uint32_t choice = 0; choice < choices; ++choice) {
      if (i % 10 == 9) {
        usage->Withdraw(choice);
        continue;
      }
      const bool failed = i % 10 == 8;
      usage->Post(choice, Ended(10 + i, i, failed ? FinishReason::kFailed : FinishReason::kLength),
                  count);
      ++ends;
      generated += i;
      if (choice == 0) prompt += 10 + i;
      if (!failed) charge_pico += 1'500'000 * i + (choice == 0 ? 3 * (10 + i) : 0);
    }
    if (i % 2 == 0) REQUIRE((*meter)->writer().Flush(Seconds(60)));  // so there are many commits
  }
  REQUIRE((*meter)->Stop());
  CHECK(confirmed == ends);
  CHECK(world.Number("SELECT COUNT(*) FROM usage") == ends);
  CHECK(world.Number("SELECT COUNT(*) FROM usage WHERE status = 'posted'") == ends);
  for (const char* table : {"usage", "usage_hour"}) {
    const std::string from = std::string(" FROM ") + table;
    CHECK(world.Number("SELECT SUM(prompt)" + from) == prompt);
    CHECK(world.Number("SELECT SUM(generated)" + from) == generated);
    CHECK(world.Number("SELECT SUM(charge_micro) * 1000000 + SUM(charge_pico)" + from) ==
          charge_pico);
  }
  for (const char* period : {"202609", "0"}) {
    CHECK(world.Number(std::string("SELECT spent_micro * 1000000 + spent_pico FROM account WHERE "
                                   "period = ") +
                       period) == charge_pico);
  }
  CHECK(world.Number("SELECT COUNT(*) FROM epoch WHERE ended_us = 0") == 0);
  CHECK(faulty.lost + faulty.refused > 0);
  CHECK(faulty.broken > 0);
}

TEST_CASE(
    "what a dead server left open is interrupted and not charged; its late post still counts") {
  World world;
  std::shared_ptr<RequestUsage> late;
  {
    const auto meter = StoreMeter::Start(world.real.get(), Plain());
    Admit(**meter, Requests(2, 5, 10))->Open(nullptr);
    REQUIRE((*meter)->writer().Flush(Seconds(10)));
    (*meter)->writer().Stop();  // as killed: the epoch is not ended
  }
  const auto meter = StoreMeter::Start(world.real.get(), Plain());
  CHECK((*meter)->interrupted() == 2);
  CHECK(world.Number("SELECT COUNT(*) FROM usage WHERE status = 'interrupted' AND charge_micro = 0 "
                     "AND charge_pico = 0") == 2);
  // PostgreSQL: a server that lived on without its lock posts what another has settled.
  const OpenUsage open{.id = {.epoch = 1, .ordinal = 1, .choice = 1},
                       .subject = {.tenant = "t", .model = "m"},
                       .admitted_us = kNowUs};
  const EndedUsage end{.reason = "stop",
                       .counts = {.prompt = 5, .generated = 7},
                       .ended_us = kNowUs,
                       .charge = Money::FromPico(7)};
  const auto post = [&](const OpenUsage& which) {
    UsageBatch batch;
    batch.Post(which, end);
    return batch.Write(*world.connection, UsageBatch::Steps::kOneByOne, 1).ok();
  };
  for (int again = 0; again < 3; ++again) REQUIRE(post(open));
  CHECK(world.Number("SELECT COUNT(*) FROM usage WHERE status = 'posted'") == 1);
  CHECK(world.Number("SELECT SUM(generated) FROM usage_hour") == 7);
  CHECK(world.Number("SELECT spent_pico FROM account WHERE period = 0") == 7);
  // A post whose open was never committed.
  OpenUsage unseen = open;
  unseen.id.ordinal = 99;
  for (int again = 0; again < 3; ++again) REQUIRE(post(unseen));
  CHECK(world.Number("SELECT requests FROM usage_hour") == 2);
}

TEST_CASE(
    "a request that is over soon leaves no open row, one that lasts does, a withdrawn one never") {
  World world;
  std::atomic<int64_t> clock{0};
  StoreMeter::Options options = Plain();
  options.now = [&] { return Nanoseconds(clock); };
  options.open_delay = Milliseconds(250);
  const auto meter = StoreMeter::Start(world.real.get(), options);
  const auto commit = [&] { REQUIRE((*meter)->writer().Flush(Seconds(60))); };
  auto soon = Admit(**meter, Requests(1, 5, 10));
  soon->Open(nullptr);
  auto lasting = Admit(**meter, Requests(3, 5, 10));
  lasting->Open(nullptr);
  lasting->Withdraw(2);
  commit();
  CHECK(world.Number("SELECT COUNT(*) FROM usage") == 0);
  soon->Post(0, Ended(5, 7), [](const absl::Status&) {});
  lasting->Post(0, Ended(5, 7), [](const absl::Status&) {});
  commit();
  CHECK(world.Number("SELECT COUNT(*) FROM usage WHERE status = 'posted'") == 2);
  CHECK(world.Number("SELECT COUNT(*) FROM usage") == 2);
  clock = Milliseconds(250).count();
  commit();
  CHECK(world.Number("SELECT COUNT(*) FROM usage WHERE status = 'open'") == 1);
  lasting->Post(1, Ended(5, 7), [](const absl::Status&) {});
  commit();
  CHECK(world.Number("SELECT COUNT(*) FROM usage WHERE status = 'posted'") == 3);
  CHECK(world.Number("SELECT COUNT(*) FROM usage") == 3);
  CHECK(world.Number("SELECT COUNT(DISTINCT position) FROM usage WHERE position > 0") == 3);
  REQUIRE((*meter)->Stop());
}

TEST_CASE("spent and held never pass a hard cap or a prepaid balance, however many ask at once") {
  const char* const column = GENERATE("hard_micro", "prepaid_micro");
  INFO(column);
  World world;
  constexpr int64_t kCapMicro = 10'000;
  world.SetQuota(column, kCapMicro);
  const auto meter = StoreMeter::Start(world.real.get(), Plain());
  std::atomic<int> admitted{0}, refused{0};
  std::vector<std::thread> clients;
  for (int client = 0; client < 8; ++client) {
    clients.emplace_back([&] {
      for (int i = 0; i < 25; ++i) {
        auto usage = Admit(**meter, Requests(1, 10, 100), true);
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
  for (int i = 0; i < 200 && admitted + refused < 200; ++i) {
    CHECK(world.Number("SELECT COALESCE(MAX(spent_micro + held_micro), 0) FROM account") <=
          kCapMicro);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  REQUIRE((*meter)->Stop());
  CHECK(admitted > 60);
  CHECK(refused > 0);
  CHECK(admitted + refused == 200);
  CHECK(world.Number("SELECT MAX(held_micro) FROM account") == 0);
  CHECK(world.Number("SELECT MAX(spent_micro) FROM account") <= kCapMicro);
  CHECK(world.Number("SELECT COUNT(*) FROM usage") == admitted);
}

TEST_CASE("the tier that served is billed, never more than the one asked for") {
  World world;
  const auto meter = StoreMeter::Start(world.real.get(), Plain());
  const std::vector<ValidRequest> requests = Requests(1, 0, 100);
  const auto serve = [&](const char* asked, ServiceTier served) {
    const auto usage =
        (*meter)
            ->Admit({.subject = {.tenant = "t", .model = "m", .asked = asked, .tier = asked},
                     .choices = requests})
            .value();
    Outcome outcome = Ended(0, 100);
    outcome.served = served;
    usage->Post(0, outcome, [](const absl::Status&) {});
    REQUIRE((*meter)->writer().Flush(Seconds(60)));
    return world.Number("SELECT charge_micro FROM usage ORDER BY ordinal DESC LIMIT 1");
  };
  CHECK(serve("priority", ServiceTier::kPriority) == 300);
  CHECK(serve("priority", ServiceTier::kDefault) == 150);  // its fast units were full
  CHECK(serve("default", ServiceTier::kPriority) == 150);  // lifted
  CHECK(world.Number("SELECT COUNT(*) FROM usage WHERE asked = 'priority' AND tier = 'default'") ==
        1);
  CHECK(world.Number("SELECT COUNT(*) FROM usage_hour WHERE tier = 'default'") == 1);
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
  CHECK(world.Number("SELECT spent_micro FROM account WHERE period = 0") == 30 * admitted);
  CHECK(world.Number("SELECT SUM(charge_micro) + SUM(charge_pico) FROM usage") == 0);
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

namespace {

// A store whose writer's connection gets `setting` before each transaction.
struct SettingStore : store::Store {
  struct Connected : Connection {
    Connected(SettingStore* store, std::unique_ptr<Connection> real)
        : store(store), real(std::move(real)) {}
    store::Dialect dialect() const override { return real->dialect(); }
    bool alive() const override { return real->alive(); }
    absl::Status Begin() override {
      (void)real->RunScript(store->setting.load());
      return real->Begin();
    }
    absl::Status BeginRead() override { return real->BeginRead(); }
    absl::Status Commit() override { return real->Commit(); }
    void Rollback() override { real->Rollback(); }
    absl::StatusOr<store::Result> Run(const std::string& sql,
                                      const std::vector<store::Value>& values) override {
      return real->Run(sql, values);
    }
    absl::Status RunScript(const std::string& sql) override { return real->RunScript(sql); }
    SettingStore* const store;
    const std::unique_ptr<Connection> real;
  };
  explicit SettingStore(store::Store* real) : real(real) {}
  absl::StatusOr<std::unique_ptr<Connection>> Connect() override {
    return std::unique_ptr<Connection>(std::make_unique<Connected>(this, real->Connect().value()));
  }
  bool one_server() const override { return true; }
  std::string Describe() const override { return real->Describe(); }
  store::Store* const real;
  std::atomic<const char*> setting{""};
};

}  // namespace

TEST_CASE(
    "a full disk and a read-only file hold ends back, refuse what comes, and lose no record") {
  const auto [broken, mended, says] = GENERATE(table<const char*, const char*, const char*>(
      {{"PRAGMA max_page_count = 1", "PRAGMA max_page_count = 1000000", "full"},
       {"PRAGMA query_only = 1", "PRAGMA query_only = 0", "readonly"}}));
  INFO(broken);
  World world;
  SettingStore store(world.real.get());
  std::atomic<int64_t> clock{0};
  StoreMeter::Options options = Plain();
  options.now = [&] { return Nanoseconds(clock); };
  options.patience = Seconds(1);
  const auto meter = StoreMeter::Start(&store, options);
  REQUIRE(meter.ok());
  const auto wait_until = [](const std::function<bool()>& holds) {
    for (int i = 0; i < 12'000 && !holds(); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return holds();
  };
  store.setting = broken;
  std::atomic<int> late{0};
  constexpr int kAnswers = 200;  // more than a page has room for
  for (int i = 0; i < kAnswers; ++i) {
    Admit(**meter, Requests(1, 10, 100))->Post(0, Ended(10, 7), [&](const absl::Status& status) {
      if (absl::IsUnavailable(status)) ++late;
    });
  }
  clock = Seconds(10).count();
  CHECK(wait_until([&] { return late == kAnswers && (*meter)->writer().figures().retries > 0; }));
  clock = Seconds(20).count();
  const std::vector<ValidRequest> one = Requests(1, 10, 100);
  const absl::Status refused =
      (*meter)->Admit({.subject = {.tenant = "t", .model = "m"}, .choices = one}).status();
  CHECK(absl::IsUnavailable(refused));
  CHECK_THAT(std::string(refused.message()), Catch::Contains(says));
  store.setting = mended;
  REQUIRE((*meter)->writer().Flush(Seconds(60)));
  CHECK(world.Number("SELECT COUNT(*) FROM usage WHERE status = 'posted'") == kAnswers);
  CHECK(world.Number("SELECT SUM(generated) FROM usage_hour") == 7 * kAnswers);
  REQUIRE((*meter)->Stop());
}

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
          world.Number("SELECT spent_micro * 1000000 + spent_pico FROM account WHERE period = 0"));
  }
  CHECK(world.Number("SELECT COUNT(*) FROM usage WHERE reason = 'unconfirmed'") == 2);
  CHECK(world.Number("SELECT COUNT(*) FROM entry WHERE transfer LIKE '%:reversed'") == 5);
}

TEST_CASE("months are those of UTC") {
  CHECK(PeriodOf(0) == 197001);
  CHECK(PeriodOf(1'767'225'599'999'999) == 202512);
  CHECK(PeriodOf(1'767'225'600'000'000) == 202601);
}

}  // namespace waferline::metering
