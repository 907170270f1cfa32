// The host's time, entropy and memory, for server/app to pass on. Any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>

#include "wafer_backend/base/units.h"

namespace waferline::runtime {

// Counts from an arbitrary start, never backwards.
Nanoseconds MonotonicNow();
inline int64_t WallNanoseconds() { return MonotonicNow().count(); }
int64_t UnixSeconds();
int64_t UnixMicroseconds();
std::chrono::system_clock::time_point WallAfter(Nanoseconds from_now);
// From now until `at`; negative if it is past.
Nanoseconds WallUntil(std::chrono::system_clock::time_point at);

// The calling thread does little each time that it wakes, and what it does is awaited: it asks the
// kernel for short turns, which take the core from a thread with longer ones, such as those that
// compute. Linux does so from 6.12 on (sched_setattr(2), sched_runtime of SCHED_OTHER).
void PreferShortTurns();

// Memory that processes can still get without swapping (MemAvailable of /proc/meminfo, or less if
// a control group of version 2 or an address-space limit allows less); 0 if the system does not
// say.
Bytes AvailableMemory();
// What this process holds that comes from no file; 0 if the system does not say.
Bytes AnonymousMemory();
// Gives what the allocator holds without use back to the system. May take milliseconds.
void TrimMemory();

// Unlike any other run's.
uint64_t RandomSeed();
// Fit for secrets.
std::string RandomBytes(size_t count);

void SleepFor(Nanoseconds time);

// Looks every 5 ms until `done` says so; false if it did not within `bound`.
bool WaitFor(const std::function<bool()>& done, Nanoseconds bound);

}  // namespace waferline::runtime
