#include "server/store/log_index.h"

#include <unistd.h>

#include <cstddef>
#include <cstring>

namespace waferline::store {
namespace {

constexpr off_t kLogHeader = 32, kFrameHeader = 24;

}  // namespace

// The header and what follows it, in the byte order of the machine.
LogIndex LogIndex::Read(int descriptor) {
  constexpr size_t kPage = 14, kFrames = 16, kLog = 32, kCopied = 96, kCopying = 128;
  char bytes[136] = {};
  LogIndex index;
  if (descriptor < 0 || pread(descriptor, bytes, sizeof(bytes), 0) != sizeof(bytes)) return index;
  uint16_t page;
  memcpy(&page, bytes + kPage, sizeof(page));
  index.page = page == 1 ? 65536 : page;
  memcpy(&index.frames, bytes + kFrames, sizeof(index.frames));
  memcpy(&index.log, bytes + kLog, sizeof(index.log));
  memcpy(&index.copied, bytes + kCopied, sizeof(index.copied));
  memcpy(&index.copying, bytes + kCopying, sizeof(index.copying));
  return index;
}

// A header, then a header and a page for each frame.
off_t LogIndex::log_size() const {
  return frames == 0 ? 0 : kLogHeader + off_t{frames} * (kFrameHeader + off_t{page});
}

bool LogIndex::MayHaveCopiedSince(const LogIndex& before) const {
  const bool copies = copying > copied;
  return copies || log != before.log || copied != before.copied || copying != before.copying;
}

}  // namespace waferline::store
