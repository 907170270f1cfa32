#include "server/app/descriptors.h"

#include <dirent.h>
#include <sys/resource.h>

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace waferline::app {
namespace {

// Listeners, event loops, a file that is read, gRPC's pollers and wake-ups.
constexpr size_t kReserved = 24;

size_t Allowed() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
  return static_cast<size_t>(limit.rlim_cur);
}

size_t OpenNow() {
  DIR* const folder = opendir("/proc/self/fd");
  if (folder == nullptr) return kReserved;
  size_t entries = 0;
  while (readdir(folder) != nullptr) ++entries;
  closedir(folder);
  return entries;  // with ".", ".." and the folder's own: on the safe side
}

absl::Status TooFew(size_t needed) {
  return absl::ResourceExhaustedError(absl::StrCat("only ", Allowed(),
                                                   " file descriptors are allowed (ulimit -n); ",
                                                   "this configuration needs at least ", needed));
}

}  // namespace

absl::Status RequireDescriptors(size_t needed) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
  }
  return Allowed() < needed ? TooFew(needed) : absl::OkStatus();
}

absl::StatusOr<size_t> ConnectionsOfEach(size_t ports, size_t wanted) {
  const size_t taken = OpenNow() + kReserved;
  const size_t needed = taken + ports * kMinConnections;
  if (Allowed() < needed) return TooFew(needed);
  return std::min(wanted, (Allowed() - taken) / ports);
}

}  // namespace waferline::app
