// What the index of a SQLite write-ahead log (-shm) says of the log
// (sqlite.org/walformat.html#walidxfmt). A value.
#pragma once

#include <sys/types.h>

#include <cstdint>

namespace waferline::store {

struct LogIndex {
  uint64_t log = 0;      // names it, as bytes 16 to 24 of the log do; another when it begins again
  uint32_t frames = 0;   // committed, each a page
  uint32_t page = 0;     // bytes
  uint32_t copied = 0;   // frames, into the database
  uint32_t copying = 0;  // frames that the last copy was to reach

  // All zero if the file says nothing (it is cut, or was never used).
  static LogIndex Read(int descriptor);

  bool operator==(const LogIndex&) const = default;
  off_t log_size() const;  // bytes
  bool MayHaveCopiedSince(const LogIndex& before) const;
};

}  // namespace waferline::store
