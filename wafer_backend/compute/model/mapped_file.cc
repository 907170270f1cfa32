#include "wafer_backend/compute/model/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/compute/model/torn_pages.h"

namespace waferline::model {
namespace {

absl::Status OpenError(const std::string& path) {
  return absl::ErrnoToStatus(errno, absl::StrCat("cannot open model file ", path));
}

uintptr_t PageBytes() { return static_cast<uintptr_t>(sysconf(_SC_PAGESIZE)); }

}  // namespace

MappedFile::MappedFile(const std::string& path, int descriptor)
    : path_(path), descriptor_(descriptor) {}

absl::StatusOr<std::unique_ptr<MappedFile>> MappedFile::Open(const std::string& path) {
  // A pipe is refused at once, not waited for until someone writes.
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) return OpenError(path);
  std::unique_ptr<MappedFile> file(new MappedFile(path, descriptor));
  WL_RETURN_IF_ERROR(file->Map());
  return file;
}

absl::Status MappedFile::Map() {
  struct stat info;
  if (fstat(descriptor_, &info) != 0) return OpenError(path_);
  if (!S_ISREG(info.st_mode)) {
    return absl::InvalidArgumentError(absl::StrCat(path_, " is not a regular file"));
  }
  if (info.st_size == 0) return absl::InvalidArgumentError(absl::StrCat(path_, " is empty"));
  const size_t size = static_cast<size_t>(info.st_size);
  void* start = mmap(nullptr, size, PROT_READ, MAP_SHARED, descriptor_, 0);
  if (start == MAP_FAILED) return OpenError(path_);
  changed_at_ = info.st_mtim;
  bytes_ = {static_cast<const std::byte*>(start), size};
  torn_ = TornPages::Watch(bytes_);
  return absl::OkStatus();
}

absl::Status MappedFile::HoldStart(size_t size) {
  const size_t whole =
      (std::min(size, bytes_.size()) + PageBytes() - 1) / PageBytes() * PageBytes();
  const std::vector<std::byte> copy(
      bytes_.begin(), bytes_.begin() + static_cast<ptrdiff_t>(std::min(whole, bytes_.size())));
  void* const start = const_cast<std::byte*>(bytes_.data());
  if (mmap(start, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
      MAP_FAILED) {
    return absl::ErrnoToStatus(errno, absl::StrCat("no memory for the start of ", path_));
  }
  memcpy(start, copy.data(), copy.size());
  (void)mprotect(start, whole, PROT_READ);
  held_ = whole;
  return absl::OkStatus();
}

absl::Status MappedFile::CheckUnchanged() const {
  struct stat now;
  const bool same =
      fstat(descriptor_, &now) == 0 && static_cast<size_t>(now.st_size) == bytes_.size() &&
      now.st_mtim.tv_sec == changed_at_.tv_sec && now.st_mtim.tv_nsec == changed_at_.tv_nsec;
  if (same && (torn_ == nullptr || !torn_->load(std::memory_order_relaxed))) {
    return absl::OkStatus();
  }
  return absl::DataLossError(absl::StrCat(
      "the model file ", path_,
      " was changed while it is served; start again with it, and replace such files by "
      "renaming another over them"));
}

void MappedFile::Release(std::span<const std::byte> part) const {
  // Whole pages outwards: the mapping is read only, so the neighbours' bytes come back as well.
  const uintptr_t held_end = reinterpret_cast<uintptr_t>(bytes_.data()) + held_;
  const uintptr_t begin =
      std::max(reinterpret_cast<uintptr_t>(part.data()) / PageBytes() * PageBytes(), held_end);
  const uintptr_t end = reinterpret_cast<uintptr_t>(part.data()) + part.size();
  if (begin >= end) return;
  (void)madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);  // a wish
}

MappedFile::~MappedFile() {
  if (torn_ != nullptr) TornPages::Forget(torn_);
  if (!bytes_.empty()) munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
  close(descriptor_);
}

}  // namespace waferline::model
