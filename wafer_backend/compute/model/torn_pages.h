// What happens when a page of a mapped file is touched that the file no longer has, because it was
// cut short in place: the kernel sends SIGBUS. For mappings that are watched, the page becomes one
// of zeros and the mapping is marked; any other SIGBUS ends the process as ever.
//
// A process has one handler of a signal, so this is one list for the process. Any thread.
#pragma once

#include <atomic>
#include <cstddef>
#include <span>

namespace waferline::model {

class TornPages {
 public:
  static constexpr size_t kMaxMappings = 8192;

  // The mark of this mapping, set when one of its pages was gone; null if the list is full.
  static std::atomic<bool>* Watch(std::span<const std::byte> mapping);
  // Before it is unmapped.
  static void Forget(const std::atomic<bool>* mark);
};

}  // namespace waferline::model
