// One connection to a database: SQLite's file or PostgreSQL's server behind the same few calls.
// Statements are written once for both: values are $1, $2 ..., columns are BIGINT or TEXT.
//
// Owner and thread: one at a time. Cost: a statement is prepared once a connection. Bounds: a
// call that the database does not answer comes back after kMaxAnswerWait.
//
// Errors, the same of every call:
//   Unavailable         locked, full, read-only, gone, rows that were there already: nothing of
//                       the transaction is kept, a later attempt may succeed
//   Unknown             in doubt: the connection died at Commit, so the transaction is kept or not.
//                       Only work that may be repeated settles it
//   FailedPrecondition  not a database of ours, or one from the future
//   Internal            the statement is wrong; repeating it will not help
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "wafer_backend/base/units.h"

namespace waferline::store {

inline constexpr Nanoseconds kMaxAnswerWait = Seconds(2);
// For a new connection, which PostgreSQL starts a process for: longer, so that a server starts next
// to a database that is short of a core.
inline constexpr Nanoseconds kMaxConnectWait = Seconds(10);

using Value = std::variant<std::monostate, int64_t, std::string>;  // NULL, integer, text
using Row = std::vector<Value>;

// 0 and "" for NULL and for a value of the other kind.
int64_t IntegerOf(const Value& value);
std::string TextOf(const Value& value);

struct Result {
  std::vector<Row> rows;
  int64_t changed = 0;  // rows that an INSERT, UPDATE or DELETE touched
};

// `sql` outlives the call.
struct Statement {
  const std::string* sql = nullptr;
  std::vector<Value> values;
  // Of an INSERT or UPDATE that returns nothing: the rows that it must change, or it fails with
  // Unavailable.
  std::optional<int64_t> changes = std::nullopt;
};

// A status' payload: what went wrong, with what clients need not know (a host, a user).
inline constexpr char kOperatorDetail[] = "operator_detail";

enum class Dialect : uint8_t { kSqlite, kPostgres };

class Connection {
 public:
  virtual ~Connection() = default;

  virtual Dialect dialect() const = 0;
  // False: every further call fails; make a new one.
  virtual bool alive() const = 0;

  virtual absl::Status Begin() = 0;
  // One that only reads, and sees one state of the database however long it lasts; no writer waits
  // for it.
  virtual absl::Status BeginRead() = 0;
  absl::Status Commit() { return CommitAfter({}); }
  // Runs them as the last of the transaction, which PostgreSQL gets with the COMMIT: one round
  // trip.
  virtual absl::Status CommitAfter(const std::vector<Statement>& last) = 0;
  virtual void Rollback() = 0;

  virtual absl::StatusOr<Result> Run(const std::string& sql, const std::vector<Value>& values) = 0;
  // One after the other, which PostgreSQL gets together: one round trip. The first failure ends
  // them.
  virtual absl::StatusOr<std::vector<Result>> RunAll(const std::vector<Statement>& statements);
  // Several statements without values, for the schema.
  virtual absl::Status RunScript(const std::string& sql) = 0;
};

inline bool IsInDoubt(const absl::Status& status) {
  return status.code() == absl::StatusCode::kUnknown;
}
// Worth another attempt.
inline bool IsPassing(const absl::Status& status) {
  return IsInDoubt(status) || absl::IsUnavailable(status);
}

}  // namespace waferline::store
