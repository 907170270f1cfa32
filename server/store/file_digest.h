// Says whether the bytes of a file are those that they were: where the kernel's reports cannot tell
// a `touch -m` from a write. A digest of this process, 64 bits; against a change by accident, not
// against a forger.
//
// Owner: SqliteFiles. Thread: any, one Follow before the first. Cost of Now: a read of the file.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace waferline::store {

class FileDigest {
 public:
  static constexpr int64_t kMaxBytes = int64_t{64} << 20;

  FileDigest() = default;
  // Closes the file, which ends SQLite's locks on it: when its connections are closed.
  ~FileDigest();
  FileDigest(const FileDigest&) = delete;
  FileDigest& operator=(const FileDigest&) = delete;

  // The file that `path` leads to now, in place of the one before.
  void Follow(const std::string& path);
  // Not set: it cannot be read, or is longer than kMaxBytes.
  std::optional<uint64_t> Now() const;

 private:
  int descriptor_ = -1;
};

}  // namespace waferline::store
