// What is asked of the tables file, batch and batch_result. Each call runs on a connection, in the
// caller's transaction if there is one; those that write give the same result when they run again.
// Errors: the connection's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/batches/batch.h"
#include "server/store/connection.h"

namespace waferline::batches {

// The part of a list that its client asks for.
struct Page {
  std::string after;  // an id; "": from the first on
  int64_t limit = 20;
  bool oldest_first = false;
  std::string purpose;  // of files; "": any
};

struct FileSums {
  int64_t files = 0;
  int64_t bytes = 0;
};

absl::StatusOr<FileSums> SumFiles(store::Connection& connection, const std::string& tenant);
// Leaves one that is there.
absl::Status InsertFile(store::Connection& connection, const File& file,
                        const std::string& content);
absl::StatusOr<std::optional<File>> FindFile(store::Connection& connection, const Key& key);
absl::StatusOr<std::optional<std::string>> FileContent(store::Connection& connection,
                                                       const Key& key);
// Up to page.limit + 1: the last one says that there are more.
absl::StatusOr<std::vector<File>> ListFiles(store::Connection& connection,
                                            const std::string& tenant, const Page& page);
absl::Status EraseFile(store::Connection& connection, const Key& key);

absl::StatusOr<int64_t> CountOpen(store::Connection& connection, const std::string& tenant);
absl::Status InsertBatch(store::Connection& connection, const Batch& batch);
absl::StatusOr<std::optional<Batch>> FindBatch(store::Connection& connection, const Key& key);
absl::StatusOr<std::vector<Batch>> ListBatches(store::Connection& connection,
                                               const std::string& tenant, const Page& page);
// Its new status and view, if its status is still one of these two; gives whether it was.
absl::StatusOr<bool> MoveBatch(store::Connection& connection, const Batch& batch,
                               const std::string& from, const std::string& or_from);

// Which server runs an open batch, and until when no other takes it.
struct Lease {
  int64_t server = 0;
  int64_t until_us = 0;
};
// Open batches that this server has, or that no server has at `now_us`, oldest first.
absl::StatusOr<std::vector<Key>> FreeBatches(store::Connection& connection, int64_t server,
                                             int64_t now_us, int64_t limit);
// False: another server has it.
absl::StatusOr<bool> TakeLease(store::Connection& connection, const Key& batch, const Lease& lease,
                               int64_t now_us);
absl::Status ReleaseLeases(store::Connection& connection, std::optional<int64_t> server);

// The row of a line's answer. The first that is written stays.
struct LineResult {
  int64_t line = 0;  // in the input, from 1
  bool ok = false;   // goes to the output file, else to the error file
  std::string row;
};
absl::Status InsertResult(store::Connection& connection, const Key& batch,
                          const LineResult& result);
struct ResultSums {
  int64_t completed = 0, failed = 0, bytes = 0;
};
absl::StatusOr<ResultSums> SumResults(store::Connection& connection, const Key& batch);
absl::StatusOr<std::unordered_set<int64_t>> ResultLines(store::Connection& connection,
                                                        const Key& batch);
// Their rows by line, each with its end of line.
absl::StatusOr<std::string> ResultText(store::Connection& connection, const Key& batch, bool ok);
absl::Status EraseResults(store::Connection& connection, const Key& batch);

}  // namespace waferline::batches
