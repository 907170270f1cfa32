#include "server/runtime/bus_error.h"

#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <cstring>

namespace waferline::runtime {
namespace {

// In the handler: no memory is allocated, and only system calls are made.

void Print(const char* text) { (void)!write(STDERR_FILENO, text, strlen(text)); }

// Moves past it.
uintptr_t HexAt(const char** text) {
  uintptr_t value = 0;
  for (;; ++*text) {
    const char c = **text;
    if (c >= '0' && c <= '9') {
      value = value * 16 + static_cast<uintptr_t>(c - '0');
    } else if (c >= 'a' && c <= 'f') {
      value = value * 16 + static_cast<uintptr_t>(c - 'a' + 10);
    } else {
      return value;
    }
  }
}

// A line of /proc/self/maps, "BEGIN-END rwxs OFFSET DEVICE NODE   PATH": its path if the address is
// within.
const char* PathOf(const char* line, uintptr_t address) {
  const uintptr_t begin = HexAt(&line);
  ++line;
  const uintptr_t end = HexAt(&line);
  return address >= begin && address < end ? strchr(line, '/') : nullptr;
}

void PrintFileAt(uintptr_t address) {
  static char line[8192];
  size_t used = 0;
  const int maps = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
  while (used + 1 < sizeof(line) && read(maps, line + used, 1) == 1) {
    if (line[used] != '\n') {
      ++used;
      continue;
    }
    line[used] = 0;
    used = 0;
    if (const char* path = PathOf(line, address)) return Print(path);
  }
  Print("a file");
}

void OnBusError(int, siginfo_t* info, void*) {
  Print("waferd: ");
  PrintFileAt(reinterpret_cast<uintptr_t>(info->si_addr));
  Print(
      " was cut short by another program while it was in use (SIGBUS): this process ends as if "
      "killed; what was confirmed is kept\n");
  // The access is repeated, and ends the process.
}

}  // namespace

void NameBusErrors() {
  struct sigaction ours {};
  ours.sa_sigaction = &OnBusError;
  ours.sa_flags = SA_SIGINFO | static_cast<int>(SA_RESETHAND);
  sigemptyset(&ours.sa_mask);
  sigaction(SIGBUS, &ours, nullptr);
}

}  // namespace waferline::runtime
