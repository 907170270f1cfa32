#include "server/runtime/host.h"

#include <malloc.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <optional>
#include <random>
#include <string>
#include <thread>

#include "wafer_backend/base/machine.h"

namespace waferline::runtime {

Nanoseconds MonotonicNow() {
  if (const Machine* const machine = Machine::OfThisThread()) return machine->Now();
  return Nanoseconds(std::chrono::duration_cast<std::chrono::nanoseconds>(
                         std::chrono::steady_clock::now().time_since_epoch())
                         .count());
}

int64_t UnixSeconds() {
  if (Machine::OfThisThread() != nullptr) return UnixMicroseconds() / 1'000'000;
  return std::chrono::duration_cast<std::chrono::seconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

int64_t UnixMicroseconds() {
  if (const Machine* const machine = Machine::OfThisThread()) return machine->Now().count() / 1000;
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

std::chrono::system_clock::time_point WallAfter(Nanoseconds from_now) {
  return std::chrono::system_clock::now() +
         std::chrono::duration_cast<std::chrono::system_clock::duration>(
             std::chrono::nanoseconds(from_now.count()));
}

Nanoseconds WallUntil(std::chrono::system_clock::time_point at) {
  return Nanoseconds(
      std::chrono::duration_cast<std::chrono::nanoseconds>(at - std::chrono::system_clock::now())
          .count());
}

void PreferShortTurns() {
  if (Machine::OfThisThread() != nullptr) return;  // the thread is not the caller's alone
  struct {                                         // struct sched_attr, version 0
    uint32_t size = 48;
    uint32_t policy = SCHED_OTHER;
    uint64_t flags = 0;
    int32_t nice = getpriority(PRIO_PROCESS, 0);
    uint32_t priority = 0;
    uint64_t runtime_ns = 100'000;  // the shortest turn there is
    uint64_t deadline_ns = 0;
    uint64_t period_ns = 0;
  } attributes;
  static_assert(sizeof(attributes) == 48);
  (void)syscall(SYS_sched_setattr, 0, &attributes, 0);
}

namespace {

// The number in the file, or after `name` in a line of it; nothing if there is none.
std::optional<int64_t> NumberIn(const char* path, const std::string& name = "") {
  std::ifstream file(path);
  std::string word = name;
  while (!name.empty() && file >> word && word != name) continue;
  int64_t value = 0;
  if (word == name && file >> value) return value;
  return std::nullopt;
}

}  // namespace

Bytes AvailableMemory() {
  int64_t bytes = NumberIn("/proc/meminfo", "MemAvailable:").value_or(0) * 1024;
  const auto limit = NumberIn("/sys/fs/cgroup/memory.max");
  const auto used = NumberIn("/sys/fs/cgroup/memory.current");
  if (limit && used) bytes = std::min(bytes, std::max<int64_t>(*limit - *used, 0));
  rlimit space{};
  const auto mapped = NumberIn("/proc/self/statm");
  if (mapped && getrlimit(RLIMIT_AS, &space) == 0 && space.rlim_cur != RLIM_INFINITY) {
    const auto allowed = static_cast<int64_t>(space.rlim_cur) - *mapped * sysconf(_SC_PAGESIZE);
    bytes = std::min(bytes, std::max<int64_t>(allowed, 0));
  }
  return Bytes(bytes);
}

Bytes AnonymousMemory() {
  std::ifstream file("/proc/self/statm");
  int64_t size = 0, resident = 0, of_files = 0;
  if (!(file >> size >> resident >> of_files)) return Bytes(0);
  return Bytes((resident - of_files) * sysconf(_SC_PAGESIZE));
}

void TrimMemory() { malloc_trim(0); }

uint64_t RandomSeed() {
  std::random_device device;
  return (uint64_t{device()} << 32) | device();
}

std::string RandomBytes(size_t count) {
  std::random_device device;
  std::string bytes(count, '\0');
  for (char& byte : bytes) byte = static_cast<char>(device() & 0xff);
  return bytes;
}

void SleepFor(Nanoseconds time) {
  if (time <= Nanoseconds(0)) return;
  Machine* const machine = Machine::OfThisThread();
  if (machine == nullptr) {
    std::this_thread::sleep_for(std::chrono::nanoseconds(time.count()));
    return;
  }
  const Nanoseconds end = machine->Now() + time;
  while (machine->Now() < end) machine->Wait(&end, end);
}

bool WaitFor(const std::function<bool()>& done, Nanoseconds bound) {
  const Nanoseconds end = MonotonicNow() + bound;
  while (!done()) {
    if (MonotonicNow() >= end) return false;
    SleepFor(Milliseconds(5));
  }
  return true;
}

}  // namespace waferline::runtime
