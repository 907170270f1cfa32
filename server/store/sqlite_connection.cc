#include "server/store/sqlite_connection.h"

#include <sqlite3.h>

#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "wafer_backend/base/status.h"

namespace waferline::store {
namespace {

constexpr int kBusyMs = 250;  // a reader's checkpoint may hold the file for a moment

// Without the path, which clients need not know.
absl::Status StatusOf(sqlite3* db, int code) {
  const std::string message = absl::StrCat(
      "the usage database: ", db != nullptr ? sqlite3_errmsg(db) : sqlite3_errstr(code));
  if (code == SQLITE_CONSTRAINT_PRIMARYKEY || code == SQLITE_CONSTRAINT_UNIQUE) {
    return absl::UnavailableError(message);  // rows were there already
  }
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

// Long texts differ in their lengths or near their ends.
struct TextHash {
  size_t operator()(const std::string& text) const {
    constexpr size_t kEnd = 32;
    const std::string_view view = text;
    const size_t begin = view.size() > kEnd ? view.size() - kEnd : 0;
    return std::hash<std::string_view>()(view.substr(begin)) ^ (view.size() * 0x9e3779b97f4a7c15u);
  }
};

class SqliteConnection : public Connection {
 public:
  SqliteConnection(std::string path, SqliteFiles* files) : path_(std::move(path)), files_(files) {
    if (files_ != nullptr) files_->OnOpen();
  }
  ~SqliteConnection() override {
    (void)EndUse();
    for (const auto& [sql, statement] : statements_) sqlite3_finalize(statement);
    const bool may_close = MayClose();
    if (files_ != nullptr) files_->OnClose();
    if (may_close) sqlite3_close(db_);
  }

  absl::Status OpenToRead() {
    const int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX;
    const int code = sqlite3_open_v2(path_.c_str(), &db_, flags, nullptr);
    if (code != SQLITE_OK) return Fail(code);
    sqlite3_extended_result_codes(db_, 1);
    sqlite3_busy_timeout(db_, kBusyMs);
    return absl::OkStatus();
  }

  absl::Status Open(Durability durability, Checkpointer* checkpointer) {
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    const int code = sqlite3_open_v2(path_.c_str(), &db_, flags, nullptr);
    if (code != SQLITE_OK) return Fail(code);
    sqlite3_extended_result_codes(db_, 1);
    sqlite3_busy_timeout(db_, kBusyMs);
    checkpointer_ = checkpointer;
    checkpointer_->Watch(db_);
    WL_RETURN_IF_ERROR(RunScript(absl::StrCat(
        "PRAGMA journal_mode = WAL; PRAGMA temp_store = MEMORY; ",
        "PRAGMA synchronous = ", durability == Durability::kPower ? "FULL" : "NORMAL", ";")));
    if (files_ != nullptr && files_->OnRecovered()) {
      sqlite3_wal_checkpoint_v2(db_, "main", SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
    }
    if (files_ != nullptr) files_->Learn();
    return absl::OkStatus();
  }

  Dialect dialect() const override { return Dialect::kSqlite; }
  bool alive() const override { return alive_; }
  absl::Status Begin() override { return BeginBy("BEGIN IMMEDIATE"); }
  absl::Status BeginRead() override { return BeginBy("BEGIN"); }
  absl::Status CommitAfter(const std::vector<Statement>& last) override {
    WL_RETURN_IF_ERROR(RunAll(last).status());
    const absl::Status status = Step("COMMIT", {}).status();
    if (sqlite3_get_autocommit(db_) == 0) return status;
    const absl::Status there = EndUse();
    // Rolled back by SQLite, or written and not known to be: the caller repeats it either way.
    if (!status.ok()) return absl::UnknownError(status.message());
    // Written to a file without a name: as if its answer had been lost.
    return there.ok() ? there : absl::UnknownError(there.message());
  }
  void Rollback() override {
    if (sqlite3_get_autocommit(db_) == 0) (void)Step("ROLLBACK", {});
    (void)EndUse();
  }

  absl::StatusOr<Result> Run(const std::string& sql, const std::vector<Value>& values) override {
    if (sqlite3_get_autocommit(db_) == 0) return Step(sql, values);
    WL_RETURN_IF_ERROR(BeginUse());
    absl::StatusOr<Result> result = Step(sql, values);
    (void)EndUse();
    return result;
  }

  absl::Status RunScript(const std::string& sql) override {
    const int code = sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr);
    return code == SQLITE_OK ? absl::OkStatus() : Fail(code);
  }

 private:
  absl::Status BeginBy(const char* sql) {
    WL_RETURN_IF_ERROR(BeginUse());
    absl::Status status = SettleDoubt();
    if (status.ok()) status = Step(sql, {}).status();
    if (!status.ok()) (void)EndUse();
    return status;
  }

  absl::Status SettleDoubt() {
    const int code = checkpointer_ == nullptr ? SQLITE_OK : checkpointer_->SettleDoubt(db_);
    return code == SQLITE_OK ? absl::OkStatus() : Fail(code);
  }

  absl::StatusOr<Result> Step(const std::string& sql, const std::vector<Value>& values) {
    WL_ASSIGN_OR_RETURN(sqlite3_stmt* const statement, Prepare(sql));
    int place = 0;
    for (const Value& value : values) Bind(statement, ++place, value);
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

  // The files may be used: until EndUse.
  absl::Status BeginUse() {
    using State = SqliteFiles::State;
    if (files_ == nullptr || within_) return absl::OkStatus();
    const State state = files_->BeginUse();
    if (state == State::kLogGone && !std::exchange(saved_, true)) {
      sqlite3_wal_checkpoint_v2(db_, "main", SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
    }
    within_ = state == State::kInUse;
    if (state != State::kIndexShort) return SqliteFiles::StatusOf(state);
    return absl::UnavailableError("the usage database: the index of its log is being restored");
  }
  // What became of the files meanwhile.
  absl::Status EndUse() {
    if (!std::exchange(within_, false)) return absl::OkStatus();
    return SqliteFiles::StatusOf(files_->EndUse());
  }

  // Closing reads the index, and copies the log: not into a file that something else has changed.
  bool MayClose() const {
    if (files_ == nullptr || db_ == nullptr) return true;
    const SqliteFiles::State state = files_->Look();
    if (state == SqliteFiles::State::kChanged) {
      sqlite3_db_config(db_, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
    }
    return state != SqliteFiles::State::kIndexShort || files_->RestoreIndex();
  }

  // $1, $2 ... are parameters with names to SQLite, which looks each of them up; ?1, ?2 ... are
  // not.
  absl::StatusOr<sqlite3_stmt*> Prepare(const std::string& sql) {
    sqlite3_stmt*& statement = statements_[sql];
    if (statement != nullptr) return statement;
    const std::string numbered = absl::StrReplaceAll(sql, {{"$", "?"}});
    const int code = sqlite3_prepare_v3(db_, numbered.c_str(), -1, SQLITE_PREPARE_PERSISTENT,
                                        &statement, nullptr);
    if (code == SQLITE_OK) return statement;
    const absl::Status status = Fail(code);
    statements_.erase(sql);
    return status;
  }

  // The value outlives the statement's run.
  static void Bind(sqlite3_stmt* statement, int place, const Value& value) {
    if (const auto* number = std::get_if<int64_t>(&value)) {
      sqlite3_bind_int64(statement, place, *number);
    } else if (const auto* text = std::get_if<std::string>(&value)) {
      sqlite3_bind_text64(statement, place, text->data(), text->size(), SQLITE_STATIC, SQLITE_UTF8);
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
    if (kind == SQLITE_IOERR && checkpointer_ != nullptr) checkpointer_->SetInDoubt();
    return StatusOf(db_, code);
  }

  const std::string path_;
  SqliteFiles* const files_;
  Checkpointer* checkpointer_ = nullptr;  // of one that writes
  sqlite3* db_ = nullptr;
  bool alive_ = true;
  bool within_ = false;  // between BeginUse and EndUse
  bool saved_ = false;   // what is in a log that was removed
  std::unordered_map<std::string, sqlite3_stmt*, TextHash> statements_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Connection>> ConnectSqlite(const std::string& path,
                                                          Durability durability,
                                                          Checkpointer* checkpointer,
                                                          SqliteFiles* files) {
  auto connection = std::make_unique<SqliteConnection>(path, files);
  WL_RETURN_IF_ERROR(connection->Open(durability, checkpointer));
  return connection;
}

absl::StatusOr<std::unique_ptr<Connection>> ConnectSqliteToRead(const std::string& path) {
  auto connection = std::make_unique<SqliteConnection>(path, nullptr);
  WL_RETURN_IF_ERROR(connection->OpenToRead());
  return connection;
}

}  // namespace waferline::store
