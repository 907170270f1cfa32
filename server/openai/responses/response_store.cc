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
  const auto shared = std::make_shared<const StoredResponse>(std::move(response));
  if (archive_ != nullptr) archive_->Keep(key, shared);
  const MutexLock lock(&mutex_);
  if (const auto old = by_key_.find(joined); old != by_key_.end()) Drop(old->second);
  const size_t bytes =
      joined.size() + shared->document.size() + boost::json::serialize(shared->messages).size();
  if (bytes > kMaxBytes) return;
  while (newest_last_.size() >= kMaxResponses || bytes_ + bytes > kMaxBytes) {
    Drop(newest_last_.begin());
  }
  newest_last_.push_back({joined, shared, bytes});
  by_key_[std::move(joined)] = std::prev(newest_last_.end());
  bytes_ += bytes;
}

std::shared_ptr<const StoredResponse> ResponseStore::Recent(const Key& key) const {
  const MutexLock lock(&mutex_);
  const auto found = by_key_.find(Join(key));
  return found == by_key_.end() ? nullptr : found->second->response;
}

absl::StatusOr<std::shared_ptr<const StoredResponse>> ResponseStore::Find(const Key& key) const {
  if (auto recent = Recent(key)) return recent;
  if (archive_ == nullptr) return NotStored(key.id);
  auto kept = archive_->Find(key);
  if (kept.ok()) return std::make_shared<const StoredResponse>(*std::move(kept));
  return absl::IsNotFound(kept.status()) ? NotStored(key.id) : kept.status();
}

absl::Status ResponseStore::NotStored(std::string_view id) const {
  const std::string name = absl::StrCat("response '", Absl(id.substr(0, 128)),
                                        "' is not stored here: it was sent with store: false, was "
                                        "deleted, ");
  if (archive_ != nullptr) return absl::NotFoundError(name + "or was dropped for newer ones");
  return absl::NotFoundError(absl::StrCat(
      name, "is of a server that has restarted, or was dropped for newer ones (the last ",
      kMaxResponses, " are kept, in at most ", kMaxBytes >> 20, " MiB)"));
}

absl::Status ResponseStore::Erase(const Key& key) {
  bool was_there = false;
  {
    const MutexLock lock(&mutex_);
    if (const auto found = by_key_.find(Join(key)); found != by_key_.end()) {
      Drop(found->second);
      was_there = true;
    }
  }
  if (archive_ != nullptr) {
    const absl::Status erased = archive_->Erase(key);
    if (erased.ok()) return erased;
    if (!absl::IsNotFound(erased)) return erased;
  }
  return was_there ? absl::OkStatus() : NotStored(key.id);
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
