#include "wafer_backend/compute/model/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace waferline::model {
namespace {

absl::Status OpenError(const std::string& path) {
  return absl::ErrnoToStatus(errno, absl::StrCat("cannot open model file ", path));
}

struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd >= 0) close(fd);
  }
};

}  // namespace

absl::StatusOr<std::unique_ptr<MappedFile>> MappedFile::Open(const std::string& path) {
  const Descriptor file{open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (file.fd < 0) return OpenError(path);
  struct stat info;
  if (fstat(file.fd, &info) != 0) return OpenError(path);
  if (!S_ISREG(info.st_mode)) {
    return absl::InvalidArgumentError(absl::StrCat(path, " is not a regular file"));
  }
  if (info.st_size == 0) return absl::InvalidArgumentError(absl::StrCat(path, " is empty"));
  const size_t size = static_cast<size_t>(info.st_size);
  void* start = mmap(nullptr, size, PROT_READ, MAP_SHARED, file.fd, 0);
  if (start == MAP_FAILED) return OpenError(path);
  return std::unique_ptr<MappedFile>(new MappedFile({static_cast<const std::byte*>(start), size}));
}

void MappedFile::Release(std::span<const std::byte> part) const {
  // Whole pages outwards: the mapping is read only, so the neighbours' bytes come back as well.
  const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  const uintptr_t begin = reinterpret_cast<uintptr_t>(part.data()) / page * page;
  const uintptr_t end = reinterpret_cast<uintptr_t>(part.data()) + part.size();
  (void)madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);  // a wish
}

MappedFile::~MappedFile() { munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size()); }

}  // namespace waferline::model
