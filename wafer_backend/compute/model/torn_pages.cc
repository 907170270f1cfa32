#include "wafer_backend/compute/model/torn_pages.h"

#include <sys/mman.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <mutex>

namespace waferline::model {
namespace {

// Read by the handler, hence without locks.
struct Watched {
  std::atomic<uintptr_t> begin{0};  // 0: free
  std::atomic<uintptr_t> end{0};
  std::atomic<bool> mark{false};
};
Watched g_watched[TornPages::kMaxMappings];
std::atomic<size_t> g_used{0};  // entries that were ever taken
struct sigaction g_before;

Watched* WatchedAt(uintptr_t address) {
  for (size_t i = 0; i < g_used.load(); ++i) {
    Watched& one = g_watched[i];
    if (address >= one.begin.load() && address < one.end.load()) return &one;
  }
  return nullptr;
}

void OnBusError(int, siginfo_t* info, void*) {
  const auto address = reinterpret_cast<uintptr_t>(info->si_addr);
  Watched* const watched = WatchedAt(address);
  if (watched != nullptr) {
    static const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
    void* const start = reinterpret_cast<void*>(address / page * page);
    watched->mark = true;
    if (mmap(start, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) !=
        MAP_FAILED) {
      return;
    }
  }
  // The access is repeated, and ends as it would have without this handler.
  sigaction(SIGBUS, &g_before, nullptr);
}

void Install() {
  struct sigaction ours {};
  ours.sa_sigaction = &OnBusError;
  ours.sa_flags = SA_SIGINFO;
  sigemptyset(&ours.sa_mask);
  sigaction(SIGBUS, &ours, &g_before);
}

}  // namespace

std::atomic<bool>* TornPages::Watch(std::span<const std::byte> mapping) {
  static std::once_flag once;
  std::call_once(once, Install);
  const auto begin = reinterpret_cast<uintptr_t>(mapping.data());
  for (size_t i = 0; i < kMaxMappings; ++i) {
    Watched& one = g_watched[i];
    uintptr_t free = 0;
    if (!one.begin.compare_exchange_strong(free, begin)) continue;
    one.mark = false;
    one.end = begin + mapping.size();
    size_t used = g_used.load();
    while (used < i + 1 && !g_used.compare_exchange_weak(used, i + 1)) continue;
    return &one.mark;
  }
  return nullptr;
}

void TornPages::Forget(const std::atomic<bool>* mark) {
  for (Watched& one : g_watched) {
    if (&one.mark != mark) continue;
    one.end = 0;
    one.begin = 0;
    return;
  }
}

}  // namespace waferline::model
