// Responses of /v1/responses in the usage database, so that they outlive the process.
//
// Owner: the front ends; the store and its writer outlive it. Thread: any. Bounds: a tenant's last
// kMaxOfTenant; kMaxWaitingBytes wait to be written, what comes on top is kept in memory only.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "server/openai/responses/response_store.h"
#include "server/store/store.h"
#include "server/store/writer.h"
#include "wafer_backend/base/mutex.h"

namespace waferline::app {

class DatabaseOfResponses final : public openai::ResponseArchive {
 public:
  static constexpr int64_t kMaxOfTenant = 4096;
  static constexpr size_t kMaxWaitingBytes = size_t{64} << 20;

  DatabaseOfResponses(store::Store* store, store::Writer* writer, std::function<int64_t()> unix_us)
      : store_(store), writer_(*writer), unix_us_(std::move(unix_us)) {}

  void Keep(const openai::ResponseKey& key,
            std::shared_ptr<const openai::StoredResponse> response) override;
  absl::StatusOr<openai::StoredResponse> Find(const openai::ResponseKey& key) override;
  absl::Status Erase(const openai::ResponseKey& key) override;

 private:
  // On this object's own connection, which is made where there is none.
  absl::StatusOr<store::Result> Ask(const std::string& sql, const openai::ResponseKey& key);

  store::Store* const store_;
  store::Writer& writer_;
  const std::function<int64_t()> unix_us_;
  // Shared with work that may outlive a caller's interest.
  const std::shared_ptr<std::atomic<size_t>> waiting_bytes_ =
      std::make_shared<std::atomic<size_t>>(0);
  Mutex mutex_;
  std::unique_ptr<store::Connection> connection_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace waferline::app
