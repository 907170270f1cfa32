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
#include "wafer_backend/base/files.h"
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
  WL_RETURN_IF_ERROR(CheckIsRegular(path_, info.st_mode));
  if (info.st_size == 0) return absl::InvalidArgumentError(absl::StrCat(path_, " is empty"));
  const size_t size = static_cast<size_t>(info.st_size);
  void* start = mmap(nullptr, size, PROT_READ, MAP_SHARED, descriptor_, 0);
  if (start == MAP_FAILED) return OpenError(path_);
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

MappedFile::Facts MappedFile::Look() const {
  struct stat now;
  Facts facts{.torn = torn_ != nullptr && torn_->load(std::memory_order_relaxed)};
  if (fstat(descriptor_, &now) != 0) return facts;
  facts.size = now.st_size;
  facts.modified_ns = int64_t{now.st_mtim.tv_sec} * 1'000'000'000 + now.st_mtim.tv_nsec;
  return facts;
}

absl::Status MappedFile::Hold(std::span<const std::byte> part,
                              const std::function<bool(std::span<const std::byte>)>& is_right) {
  const uintptr_t page = PageBytes();
  const auto first = reinterpret_cast<uintptr_t>(part.data());
  const uintptr_t begin = first / page * page;
  const size_t size = (first + part.size() - begin + page - 1) / page * page;
  void* const copy =
      mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (copy == MAP_FAILED) {
    return absl::ErrnoToStatus(errno, absl::StrCat("no memory for a part of ", path_));
  }
  // From the file: of the mapping, what was cut off meanwhile stays zeros.
  const auto offset = static_cast<off_t>(begin - reinterpret_cast<uintptr_t>(bytes_.data()));
  for (size_t done = 0; done < size;) {
    const ssize_t got = pread(descriptor_, static_cast<char*>(copy) + done, size - done,
                              offset + static_cast<off_t>(done));
    if (got <= 0) break;  // the end of the file, or what it was cut to
    done += static_cast<size_t>(got);
  }
  (void)mprotect(copy, size, PROT_READ);
  const auto* const start = static_cast<const std::byte*>(copy) + (first - begin);
  if (!is_right({start, part.size()})) {
    munmap(copy, size);
    return absl::DataLossError(absl::StrCat(
        "the model file ", path_,
        " was changed while it is served; start again with it, and replace such files by "
        "renaming another over them"));
  }
  const MutexLock lock(&mutex_);
  holds_ = true;
  // At once for who reads it: the pages are moved there, not written.
  if (mremap(copy, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, reinterpret_cast<void*>(begin)) ==
      MAP_FAILED) {
    const absl::Status failed =
        absl::ErrnoToStatus(errno, absl::StrCat("cannot hold a part of ", path_));
    munmap(copy, size);
    return failed;
  }
  return absl::OkStatus();
}

void MappedFile::Release(std::span<const std::byte> part) const {
  // Whole pages outwards: the mapping is read only, so the neighbours' bytes come back as well.
  const uintptr_t held_end = reinterpret_cast<uintptr_t>(bytes_.data()) + held_;
  const uintptr_t begin =
      std::max(reinterpret_cast<uintptr_t>(part.data()) / PageBytes() * PageBytes(), held_end);
  const uintptr_t end = reinterpret_cast<uintptr_t>(part.data()) + part.size();
  if (begin >= end) return;
  const MutexLock lock(&mutex_);
  if (holds_) return;                                                         // it would be zeros
  (void)madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);  // a wish
}

MappedFile::~MappedFile() {
  if (torn_ != nullptr) TornPages::Forget(torn_);
  if (!bytes_.empty()) munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
  close(descriptor_);
}

}  // namespace waferline::model
