#include "server/batches/line_rows.h"

#include "wafer_backend/base/status.h"

namespace waferline::batches {

absl::StatusOr<bool> KeepRow(store::Connection& connection, const Key& batch, int64_t server,
                             const LineResult& result) {
  WL_ASSIGN_OR_RETURN(
      const store::Result mine,
      connection.Run("SELECT 1 FROM batch WHERE tenant = $1 AND id = $2 AND server = $3",
                     {batch.tenant, batch.id, server}));
  if (mine.rows.empty()) return false;
  WL_RETURN_IF_ERROR(InsertResult(connection, batch, result));
  WL_ASSIGN_OR_RETURN(const store::Result there,
                      connection.Run("SELECT 1 FROM batch_result WHERE tenant = $1 AND batch = $2 "
                                     "AND line = $3 AND text = $4",
                                     {batch.tenant, batch.id, result.line, result.row}));
  return !there.rows.empty();
}

}  // namespace waferline::batches
