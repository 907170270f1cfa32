// A SQLite database whose files another program removes, replaces, cuts or writes to.
#include "server/store/sqlite_files.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <string>

#include "tests/unit/server/store/temporary_store.h"

namespace waferline::store {
namespace {

// A store in use: a table with one row, whose log is not copied yet.
struct InUse {
  InUse() {
    REQUIRE(connection->RunScript("CREATE TABLE t(a BIGINT)").ok());
    REQUIRE(Add(1).ok());
  }
  absl::Status Add(int64_t value) {
    const std::string insert = "INSERT INTO t(a) VALUES($1)";
    absl::Status status = connection->Begin();
    if (status.ok()) status = connection->Run(insert, {value}).status();
    if (status.ok()) status = connection->Commit();
    if (!status.ok()) connection->Rollback();
    return status;
  }
  std::string Refusal(int64_t value) {
    const absl::Status status = Add(value);
    CHECK(IsPassing(status));
    CHECK(store->Check() == absl::UnavailableError(status.message()));
    return std::string(status.message());
  }
  // As another program does.
  void Outside(const std::string& sql) {
    sqlite3* db = nullptr;
    REQUIRE(sqlite3_open(path.c_str(), &db) == SQLITE_OK);
    REQUIRE(sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK);
    sqlite3_close(db);
  }
  static int64_t Sum(Connection& on) {
    const auto found = on.Run("SELECT SUM(a) FROM t", {});
    INFO(found.status());
    REQUIRE(found.ok());
    return IntegerOf(found->rows[0][0]);
  }

  StoreFolder folder;
  const std::string path = folder.File("usage.db");
  std::unique_ptr<Store> store = OpenStore(folder.Url(), Durability::kProcess).value();
  std::unique_ptr<Connection> connection = store->Connect().value();
};

}  // namespace

TEST_CASE_METHOD(InUse, "a log index that another program cuts is built again") {
  const auto reader = store->Connect().value();
  CHECK(Sum(*reader) == 1);
  std::filesystem::resize_file(path + "-shm", 0);
  CHECK(store->Check().ok());
  CHECK(Sum(*reader) == 1);
  std::filesystem::resize_file(path + "-shm", 0);
  CHECK(Add(2).ok());
  CHECK(Sum(*reader) == 3);
  std::filesystem::resize_file(path + "-shm", 0);  // the connections are closed
}

TEST_CASE_METHOD(InUse, "what a log held that another program removes is in the database") {
  const auto* const end = GENERATE("-wal", "-shm");
  std::filesystem::remove(path + end);
  CHECK_THAT(Refusal(2), Catch::Contains("log (-wal or -shm) was removed or replaced"));
  std::filesystem::copy_file(path, folder.File("copy.db"));
  const auto copy = OpenStoreToRead("sqlite:" + folder.File("copy.db"));
  REQUIRE(copy.ok());
  CHECK(Sum(**(*copy)->Connect()) == 1);
  connection.reset();
  store.reset();
  store = OpenStore(folder.Url(), Durability::kProcess).value();
  connection = store->Connect().value();
  CHECK(Add(2).ok());
  CHECK(Sum(*connection) == 3);
}

TEST_CASE_METHOD(InUse, "a log that is cut is an error, one that SQLite truncates is not") {
  std::filesystem::copy_file(path + "-wal", path + ".kept");
  std::filesystem::resize_file(path + "-wal", 100);
  CHECK_THAT(Refusal(2), Catch::Contains("log (-wal) was cut short"));
  std::ofstream(path + "-wal", std::ios::in | std::ios::out)
      << std::ifstream(path + ".kept").rdbuf();
  CHECK(Add(2).ok());
  CHECK(Sum(*connection) == 3);
  Outside("PRAGMA wal_checkpoint(TRUNCATE)");
  CHECK(std::filesystem::file_size(path + "-wal") == 0);
  CHECK(store->Check().ok());
  CHECK(Add(4).ok());
  CHECK(Sum(*connection) == 7);
}

TEST_CASE_METHOD(InUse, "what SQLite does to the file from outside is not a fault") {
  for (const char* sql :
       {"PRAGMA wal_checkpoint(PASSIVE)", "INSERT INTO t(a) VALUES(0); PRAGMA wal_checkpoint(FULL)",
        "PRAGMA wal_checkpoint(RESTART)",
        "CREATE TABLE big(b); WITH RECURSIVE n(i) AS (VALUES(1) "
        "UNION ALL SELECT i + 1 FROM n WHERE i < 5000) INSERT INTO big SELECT zeroblob(1000) FROM "
        "n;"
        "PRAGMA wal_checkpoint(TRUNCATE)",
        "DROP TABLE big; VACUUM; PRAGMA wal_checkpoint(TRUNCATE)"}) {
    INFO(sql);
    Outside(sql);
    CHECK(store->Check().ok());
    CHECK(Add(0).ok());
    CHECK(store->Check().ok());
  }
  CHECK(Sum(*connection) == 1);
}

TEST_CASE_METHOD(InUse, "a file of which only attributes are changed goes on, and is reported") {
  Outside("PRAGMA wal_checkpoint(TRUNCATE)");
  REQUIRE(Add(2).ok());
  REQUIRE(store->TakeNotices().empty());
  std::filesystem::permissions(path, std::filesystem::perms(0640));
  CHECK(std::ifstream(path).get() == 'S');  // as a backup reads it
  CHECK(store->Check().ok());
  CHECK(store->TakeNotices().empty());
  for (int64_t seconds : {0, 1, 2000000000}) {
    const timespec times[2] = {{seconds, 0}, {seconds, 0}};
    REQUIRE(utimensat(AT_FDCWD, path.c_str(), times, 0) == 0);
    const bool away = seconds == 1;
    if (away) {
      std::filesystem::rename(path, path + ".away");
      CHECK_FALSE(store->Check().ok());
      std::filesystem::rename(path + ".away", path);
    }
    CHECK(store->Check().ok());
    CHECK(Add(4).ok());
    const auto notices = store->TakeNotices();
    REQUIRE(notices.size() == 1);
    CHECK_THAT(notices[0], Catch::Contains("its time was changed by another program"));
  }
  Outside("PRAGMA wal_checkpoint(TRUNCATE)");
  REQUIRE(utimensat(AT_FDCWD, path.c_str(), nullptr, 0) == 0);
  CHECK(Sum(*connection) == 15);
  // A write with a touch after it is a write.
  std::fstream(path, std::ios::in | std::ios::out) << "SQLite";
  REQUIRE(utimensat(AT_FDCWD, path.c_str(), nullptr, 0) == 0);
  CHECK_THAT(Refusal(8), Catch::Contains("was cut or written to by another program"));
}

TEST_CASE_METHOD(InUse,
                 "a time set alone is reported as a write, and known by the bytes to be none") {
  auto touch = [this, seconds = 0]() mutable {  // as `touch -m -d @SECONDS`
    const timespec times[2] = {{0, UTIME_OMIT}, {++seconds, 0}};
    REQUIRE(utimensat(AT_FDCWD, path.c_str(), times, 0) == 0);
  };
  for (int i = 0; i < 3; ++i) {
    touch();
    CHECK(store->Check().ok());
    CHECK(Add(2).ok());
    REQUIRE(store->TakeNotices().size() == 1);
  }
  Outside("PRAGMA wal_checkpoint(TRUNCATE)");
  CHECK(Add(2).ok());
  const auto again = store->Connect();  // reads what was copied
  touch();
  CHECK(Add(2).ok());
  std::fstream(path, std::ios::in | std::ios::out) << "sqlite";
  touch();
  CHECK_THAT(Refusal(3), Catch::Contains("was cut or written to by another program"));
}

TEST_CASE_METHOD(InUse, "a file that is cut or written in place is an error, and stays one") {
  Outside("PRAGMA wal_checkpoint(TRUNCATE)");
  REQUIRE(Add(2).ok());
  const bool same_size = GENERATE(false, true);
  const std::string other = folder.File("other.db");
  std::filesystem::copy_file(path, other);
  if (same_size) {  // as a copy of an older state would be
    std::ofstream(path, std::ios::in | std::ios::out) << std::ifstream(other).rdbuf();
  } else {
    std::filesystem::resize_file(path, GENERATE(0, 4096));
  }
  const std::string says = "was cut or written to by another program";
  CHECK_THAT(std::string(store->Check().message()), Catch::Contains(says));
  CHECK_THAT(Refusal(3), Catch::Contains(says));
  const auto size = std::filesystem::file_size(path);
  connection.reset();  // copies no log into what is not its file
  CHECK(std::filesystem::file_size(path) == size);
  CHECK_THAT(std::string(store->Connect().status().message()), Catch::Contains(says));
}

namespace {

// What a killed server leaves: its files, copied while it has them open. Its log has ten commits of
// a page each, of which the first `copied` are in the database.
struct Killed {
  static constexpr int kCommits = 10;
  explicit Killed(int copied) {
    InUse server;
    server.Outside("PRAGMA wal_checkpoint(TRUNCATE)");
    const auto reader = server.store->Connect().value();
    for (int i = 1; i <= kCommits; ++i) {
      REQUIRE(server.Add(1).ok());
      if (i != copied) continue;
      REQUIRE(reader->BeginRead().ok());  // a copy goes up to what it sees
      CHECK(InUse::Sum(*reader) == 1 + copied);
    }
    if (copied > 0) server.Outside("PRAGMA wal_checkpoint(PASSIVE)");
    for (const char* end : {"", "-wal", "-shm"}) {
      std::filesystem::copy_file(server.path + end, path + end);
    }
  }
  void CutLogTo(int commits) const {
    std::filesystem::resize_file(path + "-wal", 32 + commits * (4096 + 24) + (commits > 0 ? 7 : 0));
  }
  // The rows there are, of the first commits, and what is said.
  int64_t Start() {
    const auto store = OpenStore(folder.Url(), Durability::kPower).value();
    const auto connection = store->Connect().value();
    for (const std::string& one : store->TakeNotices()) says += one;
    const auto check = connection->Run("PRAGMA integrity_check", {}).value();
    CHECK(TextOf(check.rows[0][0]) == "ok");
    return InUse::Sum(*connection) - 1;  // the row of before
  }

  StoreFolder folder;
  const std::string path = folder.File("usage.db");
  std::string says;
};

}  // namespace

TEST_CASE("what is cut from a log while no server runs is reported, and the rest is kept") {
  const int copied = GENERATE(0, 4, Killed::kCommits), left = GENERATE(0, 1, 3, 4, 9, 10);
  CAPTURE(copied, left);
  Killed killed(copied);
  killed.CutLogTo(left);
  const bool all_copied = copied == Killed::kCommits, mixed = left < copied && !all_copied;
  const int kept = all_copied ? copied : left;
  const int found = killed.Start();
  if (!mixed) CHECK(found == kept);
  CHECK((killed.says.find("is not of one moment") != std::string::npos) == mixed);
  const std::string figure = std::to_string(Killed::kCommits - kept) + " of its 10 pages are gone";
  CHECK((killed.says.find(figure) != std::string::npos) == (kept < Killed::kCommits));
  const bool aside = all_copied && left < Killed::kCommits;
  CHECK((killed.says.find("set aside as -wal.cut") != std::string::npos) == aside);
  CHECK(std::filesystem::exists(killed.path + "-wal.cut") == aside);
  CHECK(killed.says.empty() == (kept == Killed::kCommits && !aside));
}

TEST_CASE("a log that is damaged or removed while no server runs is reported") {
  const bool removed = GENERATE(true, false);
  const int copied = GENERATE(0, Killed::kCommits);
  CAPTURE(removed, copied);
  Killed killed(copied);
  if (removed) {
    std::filesystem::remove(killed.path + "-wal");
  } else {
    std::fstream log(killed.path + "-wal", std::ios::in | std::ios::out);
    log.seekp(32 + 6 * (4096 + 24) + 100);
    log << "damage";
  }
  const int kept = removed ? copied : 6;
  CHECK(killed.Start() == kept);
  if (copied == 0) {
    const std::string figure = std::to_string(Killed::kCommits - kept) + " of its 10 pages are";
    CHECK_THAT(killed.says, Catch::Contains(figure));
  } else {  // all of it is in the database, but for what the damaged log hides
    CHECK((killed.says.find("is not of one moment") != std::string::npos) == !removed);
  }
}

TEST_CASE("a write from outside is noticed after a killed server's log was recovered too") {
  const Killed killed(0);
  const auto store = OpenStore(killed.folder.Url(), Durability::kProcess).value();
  const auto connection = store->Connect().value();
  REQUIRE(InUse::Sum(*connection) == 1 + Killed::kCommits);
  REQUIRE(store->Check().ok());
  std::fstream(killed.path, std::ios::in | std::ios::out) << "sqlite";
  CHECK_FALSE(store->Check().ok());
}

TEST_CASE(
    "a killed server's whole log is not a loss; nor is one that an older index does not know") {
  Killed killed(4);
  SECTION("whole") {}
  SECTION("without an index") { std::filesystem::remove(killed.path + "-shm"); }
  SECTION("an older index") {
    Killed other(4);
    std::filesystem::copy_file(other.path + "-shm", killed.path + "-shm",
                               std::filesystem::copy_options::overwrite_existing);
    killed.CutLogTo(9);
    CHECK(killed.Start() == 9);
    CHECK(killed.says.empty());
    return;
  }
  CHECK(killed.Start() == 10);
  CHECK(killed.says.empty());
}

}  // namespace waferline::store
