#include "server/store/sqlite_store.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <unordered_map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/files.h"
#include "wafer_backend/base/status.h"

namespace waferline::store {
namespace {

constexpr int kBusyMs = 250;  // a reader's checkpoint may hold the file for a moment

absl::Status StatusOf(sqlite3* db, int code, const std::string& what) {
  const std::string message =
      absl::StrCat(what, ": ", db != nullptr ? sqlite3_errmsg(db) : sqlite3_errstr(code));
  switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_NOMEM:
    case SQLITE_PROTOCOL:
    case SQLITE_CORRUPT:
      return absl::UnavailableError(message);
    case SQLITE_NOTADB:
      return absl::FailedPreconditionError(message);
    default:
      return absl::InternalError(message);
  }
}

class SqliteConnection : public Connection {
 public:
  explicit SqliteConnection(std::string path) : path_(std::move(path)) {}
  ~SqliteConnection() override {
    for (auto& [sql, statement] : statements_) sqlite3_finalize(statement);
    sqlite3_close(db_);
  }

  absl::Status Open(Durability durability) {
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    const int code = sqlite3_open_v2(path_.c_str(), &db_, flags, nullptr);
    if (code != SQLITE_OK) return Fail(code);
    sqlite3_extended_result_codes(db_, 1);
    sqlite3_busy_timeout(db_, kBusyMs);
    return RunScript(absl::StrCat("PRAGMA journal_mode = WAL; PRAGMA synchronous = ",
                                  durability == Durability::kPower ? "FULL" : "NORMAL", ";"));
  }

  Dialect dialect() const override { return Dialect::kSqlite; }
  bool alive() const override { return alive_; }
  absl::Status Begin() override { return RunScript("BEGIN IMMEDIATE"); }
  absl::Status Commit() override {
    const absl::Status status = RunScript("COMMIT");
    if (status.ok() || sqlite3_get_autocommit(db_) == 0) return status;
    // Rolled back by SQLite, or written and not known to be: the caller repeats it either way.
    return absl::UnknownError(status.message());
  }
  void Rollback() override {
    if (sqlite3_get_autocommit(db_) == 0) (void)RunScript("ROLLBACK");
  }

  absl::StatusOr<Result> Run(const std::string& sql, const std::vector<Value>& values) override {
    WL_ASSIGN_OR_RETURN(sqlite3_stmt * statement, Prepare(sql));
    for (size_t i = 0; i < values.size(); ++i) Bind(statement, i, values[i]);
    Result result;
    int code;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
      result.rows.push_back(RowOf(statement));
    }
    const absl::Status status = code == SQLITE_DONE ? absl::OkStatus() : Fail(code);
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    if (!status.ok()) return status;
    result.changed = sqlite3_changes64(db_);
    return result;
  }

  absl::Status RunScript(const std::string& sql) override {
    const int code = sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr);
    return code == SQLITE_OK ? absl::OkStatus() : Fail(code);
  }

 private:
  absl::StatusOr<sqlite3_stmt*> Prepare(const std::string& sql) {
    sqlite3_stmt*& statement = statements_[sql];
    if (statement != nullptr) return statement;
    const int code =
        sqlite3_prepare_v3(db_, sql.c_str(), -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
    if (code == SQLITE_OK) return statement;
    const absl::Status status = Fail(code);
    statements_.erase(sql);
    return status;
  }

  static void Bind(sqlite3_stmt* statement, size_t index, const Value& value) {
    const std::string name = absl::StrCat("$", index + 1);
    const int at = sqlite3_bind_parameter_index(statement, name.c_str());
    if (at == 0) return;  // a value that this statement does not use
    if (const auto* number = std::get_if<int64_t>(&value)) {
      sqlite3_bind_int64(statement, at, *number);
    } else if (const auto* text = std::get_if<std::string>(&value)) {
      sqlite3_bind_text64(statement, at, text->data(), text->size(), SQLITE_TRANSIENT, SQLITE_UTF8);
    }
  }

  static Row RowOf(sqlite3_stmt* statement) {
    Row row(static_cast<size_t>(sqlite3_column_count(statement)));
    for (int i = 0; i < static_cast<int>(row.size()); ++i) {
      switch (sqlite3_column_type(statement, i)) {
        case SQLITE_NULL:
          break;
        case SQLITE_INTEGER:
          row[static_cast<size_t>(i)] = static_cast<int64_t>(sqlite3_column_int64(statement, i));
          break;
        default: {
          const auto* bytes = reinterpret_cast<const char*>(sqlite3_column_text(statement, i));
          row[static_cast<size_t>(i)] =
              std::string(bytes, static_cast<size_t>(sqlite3_column_bytes(statement, i)));
        }
      }
    }
    return row;
  }

  absl::Status Fail(int code) {
    const int kind = code & 0xff;
    if (kind == SQLITE_IOERR || kind == SQLITE_CORRUPT || kind == SQLITE_NOTADB) alive_ = false;
    return StatusOf(db_, code, path_);
  }

  const std::string path_;
  sqlite3* db_ = nullptr;
  bool alive_ = true;
  std::unordered_map<std::string, sqlite3_stmt*> statements_;
};

// The file behind links, so that all its names have one lock; the path itself if it is none yet.
std::string RealPath(const std::string& path) {
  std::error_code error;
  const std::filesystem::path real = std::filesystem::weakly_canonical(path, error);
  return error ? path : real.string();
}

class SqliteStore : public Store {
 public:
  SqliteStore(std::string path, Durability durability)
      : path_(RealPath(path)), durability_(durability) {}
  ~SqliteStore() override {
    if (lock_ >= 0) close(lock_);
  }

  absl::Status Own() {
    std::error_code absent;
    if (std::filesystem::hard_link_count(path_, absent) > 1 && !absent) {
      return absl::FailedPreconditionError(absl::StrCat(
          path_,
          ": has more than one name (hard links), by which another server could open it; "
          "keep one"));
    }
    const std::string lock_path = path_ + ".owner";
    lock_ = open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (lock_ < 0) return Failed(lock_path);
    if (flock(lock_, LOCK_EX | LOCK_NB) != 0) {
      const auto pid = ReadFile(lock_path, 64);
      return absl::FailedPreconditionError(
          absl::StrCat(path_, ": is open in another server (pid ", pid.ok() ? *pid : "unknown",
                       "); one server owns a SQLite file, several share PostgreSQL"));
    }
    const std::string pid = std::to_string(getpid());
    if (ftruncate(lock_, 0) != 0 || pwrite(lock_, pid.data(), pid.size(), 0) < 0) {
      return Failed(lock_path);
    }
    // Usage and key digests are for the server's user alone.
    const int file = open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0) return Failed(path_);
    close(file);
    return absl::OkStatus();
  }

  absl::StatusOr<std::unique_ptr<Connection>> Connect() override {
    auto connection = std::make_unique<SqliteConnection>(path_);
    WL_RETURN_IF_ERROR(connection->Open(durability_));
    return connection;
  }
  bool one_server() const override { return true; }
  std::string Describe() const override { return "SQLite " + path_; }

 private:
  static absl::Status Failed(const std::string& path) {
    return absl::UnavailableError(absl::StrCat(path, ": ", std::strerror(errno)));
  }

  const std::string path_;
  const Durability durability_;
  int lock_ = -1;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Store>> OpenSqliteStore(const std::string& path,
                                                       Durability durability) {
  auto store = std::make_unique<SqliteStore>(path, durability);
  WL_RETURN_IF_ERROR(store->Own());
  return store;
}

}  // namespace waferline::store
