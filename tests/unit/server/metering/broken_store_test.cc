// A database that takes nothing for a while: a full disk, a read-only file.
#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "server/metering/store_meter.h"
#include "tests/unit/server/metering/meter_world.h"

namespace waferline::metering {

using store::Connection;

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
    absl::Status CommitAfter(const std::vector<store::Statement>& last) override {
      return real->CommitAfter(last);
    }
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
  // The commit that an idle store has to spare.
  Admit(**meter, Requests(1, 10, 100))->Post(0, Ended(10, 7), [](const absl::Status&) {});
  REQUIRE((*meter)->writer().Flush(Seconds(60)));
  store.setting = broken;
  std::atomic<int> late{0};
  constexpr int kAnswers = 200;                        // more than a page has room for
  std::vector<std::shared_ptr<RequestUsage>> running;  // all, so that none is committed alone
  for (int i = 0; i < kAnswers; ++i) running.push_back(Admit(**meter, Requests(1, 10, 100)));
  for (const auto& usage : running) {
    usage->Post(0, Ended(10, 7), [&](const absl::Status& status) {
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
  CHECK(world.Number("SELECT COUNT(*) FROM usage WHERE status = 'posted'") == kAnswers + 1);
  CHECK(world.Number("SELECT SUM(generated) FROM usage_hour") == 7 * (kAnswers + 1));
  REQUIRE((*meter)->Stop());
}

}  // namespace waferline::metering
