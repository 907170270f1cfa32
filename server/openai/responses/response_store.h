// Answers of /v1/responses that clients may read again, delete, or go on from. In memory: the
// oldest go when there are too many, and all with the process. With an archive what is not in
// memory is looked for there.
//
// Owner: the HTTP front end. Any thread. Bounds: kMaxResponses, kMaxBytes of them together; one
// that alone is larger is not kept in memory. A tenant sees its own only.
#pragma once

#include <boost/json/array.hpp>
#include <cstddef>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "wafer_backend/base/mutex.h"

namespace waferline::openai {

struct StoredResponse {
  std::string document;         // as it was sent
  boost::json::array messages;  // the conversation with the answer, without instructions
};

struct ResponseKey {
  std::string_view tenant;
  std::string_view id;
};

// Where responses outlive the process. Any thread; Find and Erase wait for it.
class ResponseArchive {
 public:
  virtual ~ResponseArchive() = default;
  // Later, and perhaps never: where it takes nothing now.
  virtual void Keep(const ResponseKey& key, std::shared_ptr<const StoredResponse> response) = 0;
  // NotFound; Unavailable: it cannot be asked now.
  virtual absl::StatusOr<StoredResponse> Find(const ResponseKey& key) = 0;
  virtual absl::Status Erase(const ResponseKey& key) = 0;
};

class ResponseStore {
 public:
  static constexpr size_t kMaxResponses = 4096;
  static constexpr size_t kMaxBytes = size_t{64} << 20;

  using Key = ResponseKey;

  // Before anything else is called; `archive` must outlive this.
  void UseArchive(ResponseArchive* archive) { archive_ = archive; }
  bool has_archive() const { return archive_ != nullptr; }

  // In place of one with the same key, if there is any.
  void Put(const Key& key, StoredResponse response);
  // What is in memory: null if it is not. Quick.
  std::shared_ptr<const StoredResponse> Recent(const Key& key) const;
  // NotFound says that it never was, was deleted, or was dropped for newer ones. These two wait for
  // the archive.
  absl::StatusOr<std::shared_ptr<const StoredResponse>> Find(const Key& key) const;
  absl::Status Erase(const Key& key);

  size_t bytes() const;
  size_t size() const;

 private:
  struct Entry {
    std::string key;
    std::shared_ptr<const StoredResponse> response;
    size_t bytes;
  };
  static std::string Join(const Key& key);
  absl::Status NotStored(std::string_view id) const;
  void Drop(std::list<Entry>::iterator entry) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  ResponseArchive* archive_ = nullptr;
  mutable Mutex mutex_;
  std::list<Entry> newest_last_ ABSL_GUARDED_BY(mutex_);
  std::unordered_map<std::string, std::list<Entry>::iterator> by_key_ ABSL_GUARDED_BY(mutex_);
  size_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace waferline::openai
