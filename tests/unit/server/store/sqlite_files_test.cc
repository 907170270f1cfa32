// A SQLite database whose files another program removes, replaces, cuts or writes to.
#include "server/store/sqlite_files.h"

#include <sqlite3.h>

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

  TemporaryFolder folder;
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

TEST_CASE_METHOD(InUse, "what SQLite does to the file from outside is no fault") {
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

}  // namespace waferline::store
