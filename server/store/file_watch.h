// What the kernel reports of a file, of any process: that bytes were written or cut, or that only
// attributes were changed (time, owner, mode). It tells a `touch` from a write, which a file's time
// does not. The reports follow the change, by microseconds or, while a long write goes on, more;
// a write through a mapping has none, and setting only the time of the last change (`touch -m`) is
// reported as a write (inotify(7), fsnotify_change in the kernel's fs/notify): file_digest.h.
//
// Owner: SqliteFiles. Thread: one at a time. Cost of Take: a read. Where the kernel refuses a
// watch, nothing is reported.
#pragma once

#include <string>

namespace waferline::store {

class FileWatch {
 public:
  struct Changes {
    bool bytes = false;
    bool attributes = false;
    void Add(const Changes& more) {
      bytes |= more.bytes;
      attributes |= more.attributes;
    }
  };

  FileWatch() = default;
  ~FileWatch();
  FileWatch(const FileWatch&) = delete;
  FileWatch& operator=(const FileWatch&) = delete;

  // The file that `path` leads to now, also after it was renamed, in place of the one before.
  void Follow(const std::string& path);
  bool works() const { return descriptor_ >= 0; }
  // What came since the last call. If the kernel has dropped reports: bytes.
  Changes Take();

 private:
  int descriptor_ = -1;
};

}  // namespace waferline::store
