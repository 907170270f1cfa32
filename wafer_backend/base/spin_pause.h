// Tells the CPU that this thread spins on a value another thread will write: it saves power and
// gives the core's other hardware thread its turn. Costs tens of cycles; a no-op where the CPU has
// no such hint.
#pragma once

namespace waferline {

inline void SpinPause() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield" ::: "memory");
#endif
}

}  // namespace waferline
