// That a log of a SQLite file stays short while commits go on, and that nothing is lost of it.
#include "server/store/checkpointer.h"

#include <sqlite3.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <filesystem>
#include <string>
#include <thread>

#include "tests/unit/server/store/temporary_store.h"

namespace waferline::store {
namespace {

constexpr int kPages = 40;
constexpr int kCommits = 2000;  // of more than a page each: many times what the log may have
constexpr uintmax_t kFrameBytes = 4096 + 24;
// A commit that comes with it has a few pages more.
constexpr uintmax_t kBoundBytes = ((Checkpointer::kMaxLogs + 1) * kPages + 10) * kFrameBytes;

struct Database {
  Database(const std::string& path, int flags) {
    REQUIRE(sqlite3_open_v2(path.c_str(), &db, flags, nullptr) == SQLITE_OK);
    sqlite3_busy_timeout(db, 10000);  // the copying thread may be closing the file
  }
  ~Database() { sqlite3_close(db); }
  void Run(const std::string& sql) {
    INFO(sqlite3_errmsg(db));
    REQUIRE(sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK);
  }
  sqlite3* db = nullptr;
};

// Bytes of the log at its longest.
uintmax_t CommitMany(Database* writer, const std::string& log) {
  uintmax_t longest = 0;
  for (int i = 0; i < kCommits; ++i) {
    writer->Run("INSERT INTO t(text) VALUES(hex(randomblob(2500)))");
    longest = std::max(longest, std::filesystem::file_size(log));
  }
  return longest;
}

}  // namespace

TEST_CASE("the log is copied while commits go on: it stays within its bound and loses nothing") {
  StoreFolder folder;
  const std::string path = folder.File("t.db");
  Checkpointer checkpointer(path, kPages);
  {
    Database writer(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
    checkpointer.Watch(writer.db);
    writer.Run("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; CREATE TABLE t(text TEXT)");
    CHECK(CommitMany(&writer, path + "-wal") <= kBoundBytes);
  }
  Database reader(path, SQLITE_OPEN_READONLY);
  sqlite3_stmt* count = nullptr;
  REQUIRE(sqlite3_prepare_v2(reader.db, "SELECT COUNT(*), MIN(length(text)) FROM t", -1, &count,
                             nullptr) == SQLITE_OK);
  REQUIRE(sqlite3_step(count) == SQLITE_ROW);
  CHECK(sqlite3_column_int(count, 0) == kCommits);
  CHECK(sqlite3_column_int(count, 1) == 5000);
  sqlite3_finalize(count);
}

TEST_CASE("its own thread copies the log, before commits have to") {
  StoreFolder folder;
  const std::string path = folder.File("t.db");
  Checkpointer checkpointer(path, kPages);
  Database writer(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
  checkpointer.Watch(writer.db);
  writer.Run("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; CREATE TABLE t(text TEXT)");
  while (std::filesystem::file_size(path + "-wal") < (kPages + 4) * kFrameBytes) {
    writer.Run("INSERT INTO t(text) VALUES(hex(randomblob(2500)))");
  }
  for (int i = 0; i < 6000 && std::filesystem::file_size(path) < kPages / 4 * 4096; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  CHECK(std::filesystem::file_size(path) >= kPages / 4 * 4096);
}

TEST_CASE("a reader that keeps the log from beginning again costs no commit") {
  StoreFolder folder;
  const std::string path = folder.File("t.db");
  Checkpointer checkpointer(path, kPages);
  Database writer(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
  checkpointer.Watch(writer.db);
  writer.Run("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; CREATE TABLE t(text TEXT)");
  Database reader(path, SQLITE_OPEN_READWRITE);
  reader.Run("BEGIN; SELECT COUNT(*) FROM t");
  const uintmax_t longest = CommitMany(&writer, path + "-wal");
  CHECK(longest > kCommits * kFrameBytes);  // all of it is still there
  reader.Run("COMMIT");
  CHECK(CommitMany(&writer, path + "-wal") <= longest + kBoundBytes);
}

}  // namespace waferline::store
