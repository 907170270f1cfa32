// What ThreadSanitizer cannot see of absl's locks and of the count of who shares a Status: they are
// in libraries of Debian that are not instrumented, and gRPC locks with them, so what they order
// would look like races. These stand before the library's own in every program of the preset "tsan"
// and tell the sanitizer what the library then does; nothing is suppressed by that.
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "tests/sanitize/next_definition.h"

extern "C" void __tsan_acquire(void* address);
extern "C" void __tsan_release(void* address);

namespace absl {
ABSL_NAMESPACE_BEGIN

using waferline::sanitize::NextDefinition;

void Mutex::Lock() {
  static auto* const lock = NextDefinition<void(Mutex*)>("_ZN4absl7debian35Mutex4LockEv");
  lock(this);
  __tsan_acquire(this);
}

bool Mutex::TryLock() {
  static auto* const try_lock = NextDefinition<bool(Mutex*)>("_ZN4absl7debian35Mutex7TryLockEv");
  const bool locked = try_lock(this);
  if (locked) __tsan_acquire(this);
  return locked;
}

void Mutex::Unlock() {
  static auto* const unlock = NextDefinition<void(Mutex*)>("_ZN4absl7debian35Mutex6UnlockEv");
  __tsan_release(this);
  unlock(this);
}

void CondVar::Wait(Mutex* mutex) {
  static auto* const wait =
      NextDefinition<void(CondVar*, Mutex*)>("_ZN4absl7debian37CondVar4WaitEPNS0_5MutexE");
  __tsan_release(mutex);
  wait(this, mutex);
  __tsan_acquire(mutex);
}

bool CondVar::WaitWithTimeout(Mutex* mutex, Duration timeout) {
  static auto* const wait = NextDefinition<bool(CondVar*, Mutex*, Duration)>(
      "_ZN4absl7debian37CondVar15WaitWithTimeoutEPNS0_5MutexENS0_8DurationE");
  __tsan_release(mutex);
  const bool timed_out = wait(this, mutex, timeout);
  __tsan_acquire(mutex);
  return timed_out;
}

bool CondVar::WaitWithDeadline(Mutex* mutex, Time deadline) {
  static auto* const wait = NextDefinition<bool(CondVar*, Mutex*, Time)>(
      "_ZN4absl7debian37CondVar16WaitWithDeadlineEPNS0_5MutexENS0_4TimeE");
  __tsan_release(mutex);
  const bool timed_out = wait(this, mutex, deadline);
  __tsan_acquire(mutex);
  return timed_out;
}

void Status::UnrefNonInlined(uintptr_t rep) {
  static auto* const unref =
      NextDefinition<void(uintptr_t)>("_ZN4absl7debian36Status15UnrefNonInlinedEm");
  // Whoever counts down to nothing has seen what the others did before.
  void* const shared = reinterpret_cast<void*>(rep);
  __tsan_release(shared);
  __tsan_acquire(shared);
  unref(rep);
}

ABSL_NAMESPACE_END
}  // namespace absl
