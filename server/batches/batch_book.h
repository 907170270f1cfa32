// Files and batches in the usage database. Reads wait for the database on the book's own
// connection; writes are pieces of the store's writer, and wait for their commit.
//
// Owner: server/app; the store and its writer outlive it. Thread: any, one read at a time. Errors:
// NotFound names what is not there, InvalidArgument a bound of batch.h, Unavailable: the database
// cannot be asked now.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/batches/batch.h"
#include "server/batches/batch_tables.h"
#include "server/store/store.h"
#include "server/store/writer.h"
#include "wafer_backend/base/mutex.h"
#include "wafer_backend/base/status.h"

namespace waferline::batches {

class BatchBook {
 public:
  BatchBook(store::Store* store, store::Writer* writer) : store_(store), writer_(writer) {}

  absl::Status AddFile(const File& file, std::string content);
  absl::StatusOr<File> GetFile(const Key& key);
  absl::StatusOr<std::string> Content(const Key& key);
  absl::StatusOr<std::vector<File>> Files(const std::string& tenant, const Page& page);
  absl::Status DeleteFile(const Key& key);

  // Its input file must be there.
  absl::Status AddBatch(const Batch& batch, const std::string& input_file);
  // With the counts of its lines so far.
  absl::StatusOr<Batch> GetBatch(const Key& key);
  absl::StatusOr<std::vector<Batch>> Batches(const std::string& tenant, const Page& page);
  // Asks the server that runs it to end it. InvalidArgument: it has ended.
  absl::StatusOr<Batch> Cancel(const Key& key, int64_t now_us);

  // For the runner: a question on the book's connection, a piece of work that waits for its commit,
  // and one that does not.
  template <typename Question>
  auto Read(Question question) -> decltype(question(std::declval<store::Connection&>())) {
    const MutexLock lock(&mutex_);
    WL_RETURN_IF_ERROR(Connect());
    return question(*connection_);
  }
  absl::Status Write(store::Writer::Work work);
  void WriteLater(store::Writer::Work work) { writer_->Post(std::move(work), nullptr); }
  absl::Status MayWrite() const { return writer_->MayAdmit(); }
  bool one_server() const { return store_->one_server(); }

 private:
  absl::Status Connect() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  store::Store* const store_;
  store::Writer* const writer_;
  Mutex mutex_;
  std::unique_ptr<store::Connection> connection_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace waferline::batches
