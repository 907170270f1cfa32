#include "server/store/log_left.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <utility>

#include "absl/strings/str_cat.h"

namespace waferline::store {

void LogLeft::Look(const std::string& path) {
  const std::string log = path + "-wal";
  const int index = open((path + "-shm").c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  index_ = LogIndex::Read(index);
  if (index >= 0) close(index);
  if (index_.frames == 0) return;
  constexpr off_t kNameAt = 16;
  const int file = open(log.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  struct stat there = {};
  uint64_t name = 0;
  const bool named = file >= 0 && fstat(file, &there) == 0 &&
                     pread(file, &name, sizeof(name), kNameAt) == sizeof(name);
  if (file >= 0) close(file);
  if (named && name != index_.log) {  // an older index, as a power failure may leave it
    index_ = {};
    return;
  }
  const bool all_copied = index_.copied == index_.frames && index_.copying == index_.copied;
  if (!named || !all_copied || there.st_size >= index_.log_size()) return;
  set_aside_ = rename(log.c_str(), (log + ".cut").c_str()) == 0;
}

std::string LogLeft::TakeLoss(const LogIndex& recovered) {
  const LogIndex left = std::exchange(index_, {});
  if (recovered.frames > 0 && recovered.log != left.log) return "";  // nothing to compare
  const bool all_copied = left.copied == left.frames;
  const uint32_t kept = all_copied ? left.frames : recovered.frames;
  std::string says;
  if (kept < left.frames) {
    says = absl::StrCat(
        "its log (-wal) was cut or damaged while no server ran, or by a power failure: ",
        left.frames - kept, " of its ", left.frames,
        " pages are gone. Usage that only these recorded is lost and will not be charged. To have "
        "it back stop the server and put back a whole copy of the database with its -wal");
  }
  if (std::exchange(set_aside_, false)) {
    says =
        "its log (-wal) was cut while no server ran, and set aside as -wal.cut: the database has "
        "all of it, nothing is lost";
  } else if (recovered.frames < left.copied && !(all_copied && recovered.frames == 0)) {
    absl::StrAppend(&says, says.empty() ? "" : ". ",
                    "What is left is not of one moment: put back a whole copy, or see what "
                    "`waferctl ledger verify` finds");
  }
  return says;
}

}  // namespace waferline::store
