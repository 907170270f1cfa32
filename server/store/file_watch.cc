#include "server/store/file_watch.h"

#include <sys/inotify.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>

namespace waferline::store {

FileWatch::~FileWatch() {
  if (descriptor_ >= 0) close(descriptor_);
}

void FileWatch::Follow(const std::string& path) {
  if (descriptor_ >= 0) close(descriptor_);
  descriptor_ = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (descriptor_ < 0) return;
  if (inotify_add_watch(descriptor_, path.c_str(), IN_MODIFY | IN_ATTRIB) >= 0) return;
  close(descriptor_);
  descriptor_ = -1;
}

FileWatch::Changes FileWatch::Take() {
  Changes changes;
  char buffer[64 * sizeof(inotify_event)];
  ssize_t size;
  while (descriptor_ >= 0 && (size = read(descriptor_, buffer, sizeof(buffer))) > 0) {
    inotify_event event;
    for (ssize_t at = 0; at < size; at += static_cast<ssize_t>(sizeof(event) + event.len)) {
      memcpy(&event, buffer + at, sizeof(event));
      changes.bytes |= (event.mask & (IN_MODIFY | IN_Q_OVERFLOW)) != 0;
      changes.attributes |= (event.mask & IN_ATTRIB) != 0;
    }
  }
  return changes;
}

}  // namespace waferline::store
