#include "server/openai/responses/response_store.h"

#include <boost/json/serialize.hpp>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/strings.h"

namespace waferline::openai {

std::string ResponseStore::Join(const Key& key) {
  return absl::StrCat(Absl(key.tenant), "\n", Absl(key.id));
}

void ResponseStore::Put(const Key& key, StoredResponse response) {
  std::string joined = Join(key);
  const MutexLock lock(&mutex_);
  if (const auto old = by_key_.find(joined); old != by_key_.end()) Drop(old->second);
  const size_t bytes =
      joined.size() + response.document.size() + boost::json::serialize(response.messages).size();
  if (bytes > kMaxBytes) return;
  while (newest_last_.size() >= kMaxResponses || bytes_ + bytes > kMaxBytes) {
    Drop(newest_last_.begin());
  }
  newest_last_.push_back(
      {joined, std::make_shared<const StoredResponse>(std::move(response)), bytes});
  by_key_[std::move(joined)] = std::prev(newest_last_.end());
  bytes_ += bytes;
}

absl::StatusOr<std::shared_ptr<const StoredResponse>> ResponseStore::Find(const Key& key) const {
  {
    const MutexLock lock(&mutex_);
    const auto found = by_key_.find(Join(key));
    if (found != by_key_.end()) return found->second->response;
  }
  return absl::NotFoundError(absl::StrCat(
      "response '", Absl(key.id.substr(0, 128)),
      "' is not stored here: it was sent with store: false, was deleted, is of a server that has "
      "restarted, or went for newer ones (the last ",
      kMaxResponses, " are kept, in at most ", kMaxBytes >> 20, " MiB)"));
}

absl::Status ResponseStore::Erase(const Key& key) {
  {
    const MutexLock lock(&mutex_);
    if (const auto found = by_key_.find(Join(key)); found != by_key_.end()) {
      Drop(found->second);
      return absl::OkStatus();
    }
  }
  return Find(key).status();
}

size_t ResponseStore::bytes() const {
  const MutexLock lock(&mutex_);
  return bytes_;
}

size_t ResponseStore::size() const {
  const MutexLock lock(&mutex_);
  return newest_last_.size();
}

void ResponseStore::Drop(std::list<Entry>::iterator entry) {
  bytes_ -= entry->bytes;
  by_key_.erase(entry->key);
  newest_last_.erase(entry);
}

}  // namespace waferline::openai
