#include "wafer_backend/compute/model/file_guard.h"

#include <string_view>
#include <utility>

#include "absl/hash/hash.h"
#include "absl/strings/str_cat.h"
#include "wafer_backend/base/status.h"

namespace waferline::model {
namespace {

uint64_t DigestOf(FileGuard::Part part) {
  return absl::HashOf(std::string_view(reinterpret_cast<const char*>(part.data()), part.size()));
}

}  // namespace

absl::StatusOr<std::unique_ptr<const FileGuard>> FileGuard::Create(
    std::shared_ptr<const GgufFile> file, const GgufFile::Facts& before,
    const std::vector<Part>& parts) {
  auto guard = std::unique_ptr<FileGuard>(new FileGuard(std::move(file), before));
  for (const Part& part : parts) {
    guard->parts_.push_back({part, DigestOf(part)});
    guard->file_->Release(part);
  }
  if (guard->file_->Look() == before) return guard;
  return absl::DataLossError(absl::StrCat("the model file ", guard->file_->name(),
                                          " was changed while it was loaded; load it again"));
}

absl::Status FileGuard::Check() const {
  if (held_.load(std::memory_order_acquire)) return absl::OkStatus();
  GgufFile::Facts now = file_->Look();
  if (now == facts_) return absl::OkStatus();
  const MutexLock lock(&mutex_);
  if (held_) return absl::OkStatus();
  if (seen_ == now) return failed_;  // it is not read again until it changes again
  failed_ = Hold();
  seen_ = std::move(now);
  held_.store(failed_.ok(), std::memory_order_release);
  return failed_;
}

absl::Status FileGuard::Hold() const {
  for (const Known& known : parts_) {
    WL_RETURN_IF_ERROR(
        file_->Hold(known.part, [&](Part copy) { return DigestOf(copy) == known.digest; }));
  }
  return absl::OkStatus();
}

}  // namespace waferline::model
