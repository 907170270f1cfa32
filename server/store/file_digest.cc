#include "server/store/file_digest.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string_view>
#include <vector>

#include "absl/hash/hash.h"

namespace waferline::store {

FileDigest::~FileDigest() {
  if (descriptor_ >= 0) close(descriptor_);
}

void FileDigest::Follow(const std::string& path) {
  if (descriptor_ >= 0) close(descriptor_);
  descriptor_ = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
}

std::optional<uint64_t> FileDigest::Now() const {
  constexpr size_t kChunk = 1 << 20;
  struct stat file;
  if (descriptor_ < 0 || fstat(descriptor_, &file) != 0 || file.st_size > kMaxBytes) return {};
  std::vector<char> chunk(kChunk);
  uint64_t digest = 0;
  for (off_t at = 0; at < file.st_size;) {
    const ssize_t size = pread(descriptor_, chunk.data(), kChunk, at);
    if (size <= 0) return {};
    digest = absl::HashOf(digest, std::string_view(chunk.data(), static_cast<size_t>(size)));
    at += size;
  }
  return digest;
}

}  // namespace waferline::store
