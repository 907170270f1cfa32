#include "server/store/sqlite_store.h"

#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <string>

#include "server/store/epoch.h"
#include "server/store/schema.h"
#include "tests/unit/server/store/temporary_store.h"

namespace waferline::store {

TEST_CASE("values come back as they were written") {
  StoreFolder folder;
  const auto store = OpenStore(folder.Url(), Durability::kProcess);
  REQUIRE(store.ok());
  const auto connection = (*store)->Connect();
  REQUIRE(connection.ok());
  REQUIRE((*connection)->RunScript("CREATE TABLE t(a BIGINT, b TEXT)").ok());
  const std::string text("\0a'\"; DROP TABLE t; \xf0\x9f\x98\x80", 25);
  const auto written =
      (*connection)
          ->Run("INSERT INTO t(b, a) VALUES($2, $1)", {std::numeric_limits<int64_t>::min(), text});
  REQUIRE(written.ok());
  CHECK(written->changed == 1);
  REQUIRE((*connection)->Run("INSERT INTO t(a, b) VALUES($1, $2)", {Value(), Value()}).ok());
  const auto read = (*connection)->Run("SELECT a, b FROM t ORDER BY a DESC", {});
  REQUIRE(read.ok());
  REQUIRE(read->rows.size() == 2);
  CHECK(IntegerOf(read->rows[0][0]) == std::numeric_limits<int64_t>::min());
  CHECK(TextOf(read->rows[0][1]) == text);
  CHECK(std::holds_alternative<std::monostate>(read->rows[1][1]));
}

TEST_CASE("a commit keeps nothing if a statement changes another number of rows than it must") {
  StoreFolder folder;
  const auto store = OpenStore(folder.Url(), Durability::kProcess);
  REQUIRE(store.ok());
  const auto connection = (*store)->Connect();
  REQUIRE(connection.ok());
  REQUIRE((*connection)->RunScript("CREATE TABLE t(a BIGINT PRIMARY KEY)").ok());
  const std::string insert = "INSERT INTO t(a) VALUES($1) ON CONFLICT(a) DO NOTHING";
  const auto commit = [&](int64_t first, int64_t second) {
    REQUIRE((*connection)->Begin().ok());
    const absl::Status status =
        (*connection)
            ->CommitAfter({{.sql = &insert, .values = {first}, .changes = 1},
                           {.sql = &insert, .values = {second}, .changes = 1}});
    if (!status.ok()) (*connection)->Rollback();
    return status;
  };
  CHECK(commit(1, 2).ok());
  CHECK(absl::IsUnavailable(commit(3, 2)));
  const auto read = (*connection)->Run("SELECT COUNT(*) FROM t", {});
  REQUIRE(read.ok());
  CHECK(IntegerOf(read->rows[0][0]) == 2);
}

TEST_CASE("two servers on one SQLite file are refused by name, and the lock ends with its owner") {
  StoreFolder folder;
  {
    const auto first = OpenStore(folder.Url(), Durability::kProcess);
    REQUIRE(first.ok());
    const auto second = OpenStore(folder.Url(), Durability::kProcess);
    REQUIRE_FALSE(second.ok());
    CHECK(absl::IsFailedPrecondition(second.status()));
    CHECK_THAT(std::string(second.status().message()),
               Catch::Contains("open in another server (pid " + std::to_string(getpid())));
  }
  CHECK(OpenStore(folder.Url(), Durability::kPower).ok());
  struct stat file;
  REQUIRE(stat(folder.File("usage.db").c_str(), &file) == 0);
  CHECK((file.st_mode & 077) == 0);
}

TEST_CASE(
    "a schema from the future, a file that is not a database and an unknown kind are refused") {
  StoreFolder folder;
  {
    const auto store = OpenStore(folder.Url(), Durability::kProcess);
    REQUIRE(store.ok());
    const auto connection = (*store)->Connect();
    CHECK(Migrate(**connection).ok());  // nothing to do
    REQUIRE((*connection)->RunScript("UPDATE schema_version SET version = 1000").ok());
  }
  const auto future = OpenStore(folder.Url(), Durability::kProcess);
  CHECK(absl::IsFailedPrecondition(future.status()));
  CHECK_THAT(std::string(future.status().message()),
             Catch::Contains("schema version 1000, and this waferd knows up to " +
                             std::to_string(SchemaVersion())));
  FILE* other = fopen(folder.File("text.db").c_str(), "w");
  for (int i = 0; i < 1000; ++i) fputs("this is not a database\n", other);
  fclose(other);
  CHECK(
      absl::IsFailedPrecondition(OpenStore(folder.Url("text.db"), Durability::kProcess).status()));
  CHECK(absl::IsInvalidArgument(OpenStore("mysql://host/x", Durability::kProcess).status()));
  CHECK(absl::IsInvalidArgument(OpenStore("sqlite:", Durability::kProcess).status()));
  CHECK(absl::IsUnavailable(OpenStore("sqlite:/nowhere/x.db", Durability::kProcess).status()));
}

TEST_CASE("a file keeps its owner when the owner's file is removed") {
  StoreFolder folder;
  const std::string file = folder.Url().substr(std::string("sqlite:").size());
  const auto first = OpenStore(folder.Url(), Durability::kProcess);
  REQUIRE(first.ok());
  std::filesystem::remove(file + ".owner");
  const auto second = OpenStore(folder.Url(), Durability::kProcess);
  REQUIRE(absl::IsFailedPrecondition(second.status()));
  CHECK_THAT(std::string(second.status().message()),
             Catch::Contains("open in another server (pid unknown)"));
}

TEST_CASE("a pipe in the place of any of a database's files is not waited for") {
  for (const char* end : {"", ".owner", "-wal", "-shm"}) {
    StoreFolder folder;
    const std::string pipe = folder.File(std::string("usage.db") + end);
    REQUIRE(mkfifo(pipe.c_str(), 0600) == 0);
    INFO(pipe);
    const auto store = OpenStore(folder.Url(), Durability::kProcess);
    if (*end == '-') continue;  // SQLite's own: it removes or refuses it
    CHECK(absl::IsFailedPrecondition(store.status()));
    CHECK_THAT(std::string(store.status().message()),
               Catch::Contains(std::string("usage.db") + end + ": is not a plain file"));
    CHECK_FALSE(OpenStoreToRead(folder.Url()).ok());
  }
}

TEST_CASE("a file has one owner under all its names") {
  StoreFolder folder;
  const std::string file = folder.Url().substr(std::string("sqlite:").size());
  const auto first = OpenStore(folder.Url(), Durability::kProcess);
  REQUIRE(first.ok());
  std::filesystem::create_symlink(file, file + ".link");
  CHECK_THAT(
      std::string(OpenStore("sqlite:" + file + ".link", Durability::kProcess).status().message()),
      Catch::Contains("open in another server"));
  std::filesystem::create_hard_link(file, file + ".second");
  CHECK_THAT(
      std::string(OpenStore("sqlite:" + file + ".second", Durability::kProcess).status().message()),
      Catch::Contains("more than one name"));
}

TEST_CASE("no epoch comes twice, though the database has lost the last ones") {
  StoreFolder folder;
  bool lost = false;
  std::vector<std::string> notices;
  const auto start = [&] {
    const auto store = OpenStore(folder.Url(), Durability::kProcess).value();
    const auto connection = store->Connect().value();
    REQUIRE(connection->Begin().ok());
    lost = RestoreLostEpoch(*connection, store->last_epoch(), 5).value();
    const int64_t epoch = StartEpoch(*connection, "host", 5).value();
    REQUIRE(store->KeepEpoch(epoch).ok());
    REQUIRE(connection->Commit().ok());
    notices = store->TakeNotices();
    CHECK(store->TakeNotices().empty());
    return epoch;
  };
  const std::string file = folder.File("usage.db");
  CHECK(start() == 1);
  std::filesystem::copy_file(file, file + ".backup");
  CHECK(start() == 2);
  CHECK(start() == 3);
  CHECK_FALSE(lost);
  CHECK(notices.empty());
  std::filesystem::rename(file + ".backup", file);
  CHECK(start() == 4);
  CHECK(lost);
  std::filesystem::remove(file);
  CHECK(start() == 5);
  CHECK(lost);
  CHECK(start() == 6);
  CHECK_FALSE(lost);
  // A number that was cut ("12" of "12 ") is none; nor is one that no server counts up to.
  int64_t last = 6;
  for (const char* wrong : {"", "x", "12", "1 12", "1 -3 ", "1 99999999999999999999 ",
                            "1 9223372036854775807 ", "1 1000000000 ", " ", "\xff\xfe\0 7 "}) {
    CAPTURE(wrong);
    std::ofstream(file + ".owner") << wrong;
    CHECK(start() == ++last);  // the database's own number
    CHECK_FALSE(lost);
    REQUIRE(notices.size() == 1);
    CHECK_THAT(notices[0], Catch::Contains("usage.db.owner holds no epoch"));
    CHECK(start() == ++last);
    CHECK(notices.empty());
  }
  std::ofstream(file + ".owner") << "1 999999999 ";
  CHECK(start() == 1000000000);
  CHECK(lost);
}

TEST_CASE("epochs rise, and all but the owner's own are dead") {
  StoreFolder folder;
  int64_t first = 0;
  {
    const auto store = OpenStore(folder.Url(), Durability::kProcess);
    const auto connection = (*store)->Connect();
    first = StartEpoch(**connection, "host", 5).value();
    CHECK(DeadEpochs(**connection, first)->empty());
  }
  const auto store = OpenStore(folder.Url(), Durability::kProcess);
  const auto connection = (*store)->Connect();
  const int64_t second = StartEpoch(**connection, "host", 6).value();
  CHECK(second > first);
  CHECK(DeadEpochs(**connection, second).value() == std::vector<int64_t>{first});
  REQUIRE(EndEpoch(**connection, first, 7).ok());
  CHECK(DeadEpochs(**connection, second)->empty());
}

}  // namespace waferline::store
