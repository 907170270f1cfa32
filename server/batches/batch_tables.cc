#include "server/batches/batch_tables.h"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/status.h"

namespace waferline::batches {
namespace {

namespace json = boost::json;
using store::Connection;
using store::IntegerOf;
using store::Result;
using store::Row;
using store::TextOf;
using store::Value;

constexpr char kFileColumns[] = "tenant, id, name, purpose, bytes, created_us";
constexpr char kBatchColumns[] = "tenant, id, api_key, created_us, status, view, server";
constexpr int64_t kRowsAtOnce = 1000;

File FileOf(const Row& row) {
  return {.key = {TextOf(row[0]), TextOf(row[1])},
          .name = TextOf(row[2]),
          .purpose = TextOf(row[3]),
          .bytes = IntegerOf(row[4]),
          .created_us = IntegerOf(row[5])};
}

absl::StatusOr<Batch> BatchOf(const Row& row) {
  Batch batch{.key = {TextOf(row[0]), TextOf(row[1])},
              .key_id = TextOf(row[2]),
              .created_us = IntegerOf(row[3]),
              .status = TextOf(row[4]),
              .view = {},
              .server = IntegerOf(row[6])};
  json::error_code error;
  const json::value view = json::parse(TextOf(row[5]), error);
  if (error || !view.is_object()) {
    return absl::DataLossError(
        absl::StrCat("the database's record of batch '", batch.key.id, "' is damaged"));
  }
  batch.view = view.get_object();
  return batch;
}

int64_t Number(const Result& result, size_t column = 0) {
  return result.rows.empty() ? 0 : IntegerOf(result.rows[0][column]);
}

// A list's rows after page.after, which has been looked up.
std::string Listing(const char* table, const char* columns, const Page& page) {
  const char* const sign = page.oldest_first ? ">" : "<";
  const char* const order = page.oldest_first ? "ASC" : "DESC";
  return absl::StrCat("SELECT ", columns, " FROM ", table,
                      " WHERE tenant = $1 AND ($2 = '' OR (created_us, id) ", sign,
                      " (SELECT created_us, id FROM ", table, " WHERE tenant = $1 AND id = $2))",
                      page.purpose.empty() ? "" : " AND purpose = $4", " ORDER BY created_us ",
                      order, ", id ", order, " LIMIT $3");
}

}  // namespace

absl::StatusOr<FileSums> SumFiles(Connection& connection, const std::string& tenant) {
  WL_ASSIGN_OR_RETURN(const Result found,
                      connection.Run("SELECT COUNT(*), CAST(COALESCE(SUM(bytes), 0) AS BIGINT) "
                                     "FROM file WHERE tenant = $1",
                                     {tenant}));
  return FileSums{.files = Number(found), .bytes = Number(found, 1)};
}

absl::Status InsertFile(Connection& connection, const File& file, const std::string& content) {
  return connection
      .Run(
          "INSERT INTO file(tenant, id, name, purpose, bytes, created_us, content) VALUES($1, $2, "
          "$3, $4, $5, $6, $7) ON CONFLICT(tenant, id) DO NOTHING",
          {file.key.tenant, file.key.id, file.name, file.purpose, file.bytes, file.created_us,
           content})
      .status();
}

absl::StatusOr<std::optional<File>> FindFile(Connection& connection, const Key& key) {
  WL_ASSIGN_OR_RETURN(const Result found,
                      connection.Run(absl::StrCat("SELECT ", kFileColumns,
                                                  " FROM file WHERE tenant = $1 AND id = $2"),
                                     {key.tenant, key.id}));
  if (found.rows.empty()) return std::optional<File>();
  return FileOf(found.rows[0]);
}

absl::StatusOr<std::optional<std::string>> FileContent(Connection& connection, const Key& key) {
  WL_ASSIGN_OR_RETURN(const Result found,
                      connection.Run("SELECT content FROM file WHERE tenant = $1 AND id = $2",
                                     {key.tenant, key.id}));
  if (found.rows.empty()) return std::optional<std::string>();
  return TextOf(found.rows[0][0]);
}

absl::StatusOr<std::vector<File>> ListFiles(Connection& connection, const std::string& tenant,
                                            const Page& page) {
  std::vector<Value> values = {tenant, page.after, page.limit + 1};
  if (!page.purpose.empty()) values.emplace_back(page.purpose);
  WL_ASSIGN_OR_RETURN(const Result found,
                      connection.Run(Listing("file", kFileColumns, page), values));
  std::vector<File> files;
  for (const Row& row : found.rows) files.push_back(FileOf(row));
  return files;
}

absl::Status EraseFile(Connection& connection, const Key& key) {
  return connection.Run("DELETE FROM file WHERE tenant = $1 AND id = $2", {key.tenant, key.id})
      .status();
}

absl::StatusOr<int64_t> CountOpen(Connection& connection, const std::string& tenant) {
  WL_ASSIGN_OR_RETURN(
      const Result found,
      connection.Run("SELECT COUNT(*) FROM batch WHERE tenant = $1 AND is_open = 1", {tenant}));
  return Number(found);
}

absl::Status InsertBatch(Connection& connection, const Batch& batch) {
  return connection
      .Run(
          "INSERT INTO batch(tenant, id, api_key, created_us, status, is_open, server, lease_us, "
          "view) VALUES($1, $2, $3, $4, $5, 1, 0, 0, $6) ON CONFLICT(tenant, id) DO NOTHING",
          {batch.key.tenant, batch.key.id, batch.key_id, batch.created_us, batch.status,
           json::serialize(batch.view)})
      .status();
}

absl::StatusOr<std::optional<Batch>> FindBatch(Connection& connection, const Key& key) {
  WL_ASSIGN_OR_RETURN(const Result found,
                      connection.Run(absl::StrCat("SELECT ", kBatchColumns,
                                                  " FROM batch WHERE tenant = $1 AND id = $2"),
                                     {key.tenant, key.id}));
  if (found.rows.empty()) return std::optional<Batch>();
  WL_ASSIGN_OR_RETURN(Batch batch, BatchOf(found.rows[0]));
  return std::optional<Batch>(std::move(batch));
}

absl::StatusOr<std::vector<Batch>> ListBatches(Connection& connection, const std::string& tenant,
                                               const Page& page) {
  WL_ASSIGN_OR_RETURN(const Result found, connection.Run(Listing("batch", kBatchColumns, page),
                                                         {tenant, page.after, page.limit + 1}));
  std::vector<Batch> batches;
  for (const Row& row : found.rows) {
    WL_ASSIGN_OR_RETURN(Batch batch, BatchOf(row));
    batches.push_back(std::move(batch));
  }
  return batches;
}

absl::StatusOr<bool> MoveBatch(Connection& connection, const Batch& batch, const std::string& from,
                               const std::string& or_from) {
  WL_ASSIGN_OR_RETURN(
      const Result moved,
      connection.Run("UPDATE batch SET status = $1, is_open = $2, view = $3 WHERE tenant = $4 AND "
                     "id = $5 AND status IN ($6, $7, $1)",
                     {batch.status, int64_t{IsOpen(batch.status)}, json::serialize(batch.view),
                      batch.key.tenant, batch.key.id, from, or_from}));
  return moved.changed > 0;
}

absl::StatusOr<std::vector<Key>> FreeBatches(Connection& connection, int64_t server, int64_t now_us,
                                             int64_t limit) {
  WL_ASSIGN_OR_RETURN(
      const Result found,
      connection.Run("SELECT tenant, id FROM batch WHERE is_open = 1 AND (server = $1 OR lease_us "
                     "< $2) ORDER BY created_us, id LIMIT $3",
                     {server, now_us, limit}));
  std::vector<Key> keys;
  for (const Row& row : found.rows) keys.push_back({TextOf(row[0]), TextOf(row[1])});
  return keys;
}

absl::StatusOr<bool> TakeLease(Connection& connection, const Key& batch, const Lease& lease,
                               int64_t now_us) {
  WL_ASSIGN_OR_RETURN(
      const Result taken,
      connection.Run("UPDATE batch SET server = $1, lease_us = $2 WHERE tenant = $3 AND id = $4 "
                     "AND is_open = 1 AND (server = $1 OR lease_us < $5)",
                     {lease.server, lease.until_us, batch.tenant, batch.id, now_us}));
  return taken.changed > 0;
}

absl::Status ReleaseLeases(Connection& connection, std::optional<int64_t> server) {
  if (!server)
    return connection.Run("UPDATE batch SET lease_us = 0 WHERE is_open = 1", {}).status();
  return connection
      .Run("UPDATE batch SET lease_us = 0 WHERE is_open = 1 AND server = $1", {*server})
      .status();
}

absl::Status InsertResult(Connection& connection, const Key& batch, const LineResult& result) {
  return connection
      .Run(
          "INSERT INTO batch_result(tenant, batch, line, ok, bytes, text) VALUES($1, $2, $3, $4, "
          "$5, $6) ON CONFLICT(tenant, batch, line) DO NOTHING",
          {batch.tenant, batch.id, result.line, int64_t{result.ok},
           static_cast<int64_t>(result.row.size()), result.row})
      .status();
}

absl::StatusOr<ResultSums> SumResults(Connection& connection, const Key& batch) {
  WL_ASSIGN_OR_RETURN(
      const Result found,
      connection.Run("SELECT CAST(COALESCE(SUM(ok), 0) AS BIGINT), COUNT(*), "
                     "CAST(COALESCE(SUM(bytes), 0) AS BIGINT) FROM batch_result WHERE tenant = $1 "
                     "AND batch = $2",
                     {batch.tenant, batch.id}));
  return ResultSums{.completed = Number(found),
                    .failed = Number(found, 1) - Number(found),
                    .bytes = Number(found, 2)};
}

absl::StatusOr<std::unordered_set<int64_t>> ResultLines(Connection& connection, const Key& batch) {
  WL_ASSIGN_OR_RETURN(
      const Result found,
      connection.Run("SELECT line FROM batch_result WHERE tenant = $1 AND batch = $2",
                     {batch.tenant, batch.id}));
  std::unordered_set<int64_t> lines;
  for (const Row& row : found.rows) lines.insert(IntegerOf(row[0]));
  return lines;
}

absl::StatusOr<std::string> ResultText(Connection& connection, const Key& batch, bool ok) {
  std::string text;
  for (int64_t after = 0;;) {
    WL_ASSIGN_OR_RETURN(
        const Result found,
        connection.Run("SELECT line, text FROM batch_result WHERE tenant = $1 AND batch = $2 AND "
                       "ok = $3 AND line > $4 ORDER BY line LIMIT $5",
                       {batch.tenant, batch.id, int64_t{ok}, after, kRowsAtOnce}));
    for (const Row& row : found.rows) {
      text += TextOf(row[1]);
      text += '\n';
    }
    if (static_cast<int64_t>(found.rows.size()) < kRowsAtOnce) return text;
    after = IntegerOf(found.rows.back()[0]);
  }
}

absl::Status EraseResults(Connection& connection, const Key& batch) {
  return connection
      .Run("DELETE FROM batch_result WHERE tenant = $1 AND batch = $2", {batch.tenant, batch.id})
      .status();
}

}  // namespace waferline::batches
