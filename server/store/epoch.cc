#include "server/store/epoch.h"

#include <string>

#include "wafer_backend/base/status.h"

namespace waferline::store {
namespace {

// The first of the two numbers of our advisory locks; the second is the epoch.
constexpr int64_t kLockSpace = 7341296;

}  // namespace

absl::StatusOr<bool> RestoreLostEpoch(Connection& connection, int64_t last, int64_t now_us) {
  if (last <= 0) return false;
  WL_ASSIGN_OR_RETURN(
      const Result made,
      connection.Run("INSERT INTO epoch(id, host, started_us, ended_us) VALUES($1, $2, $3, $3) ON "
                     "CONFLICT(id) DO NOTHING",
                     {last, std::string(kLostHost), now_us}));
  return made.changed > 0;
}

absl::StatusOr<int64_t> StartEpoch(Connection& connection, const std::string& host,
                                   int64_t now_us) {
  WL_ASSIGN_OR_RETURN(
      const Result made,
      connection.Run("INSERT INTO epoch(host, started_us, ended_us) VALUES($1, $2, 0) RETURNING id",
                     {host, now_us}));
  if (made.rows.empty()) return absl::InternalError("the new epoch has no number");
  const int64_t epoch = IntegerOf(made.rows[0][0]);
  if (connection.dialect() == Dialect::kPostgres) {
    WL_RETURN_IF_ERROR(
        connection
            .Run("SELECT pg_advisory_lock(CAST($1 AS INT), CAST($2 AS INT))", {kLockSpace, epoch})
            .status());
  }
  return epoch;
}

absl::StatusOr<std::vector<int64_t>> DeadEpochs(Connection& connection, int64_t mine) {
  WL_ASSIGN_OR_RETURN(
      const Result found,
      connection.Run("SELECT id FROM epoch WHERE ended_us = 0 AND id <> $1 ORDER BY id", {mine}));
  std::vector<int64_t> dead;
  for (const Row& row : found.rows) {
    const int64_t epoch = IntegerOf(row[0]);
    if (connection.dialect() == Dialect::kPostgres) {
      WL_ASSIGN_OR_RETURN(
          const Result taken,
          connection.Run("SELECT CASE WHEN pg_try_advisory_lock(CAST($1 AS INT), CAST($2 AS INT)) "
                         "THEN 1 ELSE 0 END",
                         {kLockSpace, epoch}));
      if (IntegerOf(taken.rows[0][0]) == 0) continue;
    }
    dead.push_back(epoch);
  }
  return dead;
}

absl::Status EndEpoch(Connection& connection, int64_t epoch, int64_t now_us) {
  WL_RETURN_IF_ERROR(
      connection
          .Run("UPDATE epoch SET ended_us = $2 WHERE id = $1 AND ended_us = 0", {epoch, now_us})
          .status());
  if (connection.dialect() != Dialect::kPostgres) return absl::OkStatus();
  return connection
      .Run("SELECT pg_advisory_unlock(CAST($1 AS INT), CAST($2 AS INT))", {kLockSpace, epoch})
      .status();
}

}  // namespace waferline::store
