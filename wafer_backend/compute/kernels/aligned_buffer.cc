#include "wafer_backend/compute/kernels/aligned_buffer.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "wafer_backend/base/check.h"

namespace waferline::kernels {
namespace {

// From here on memory comes in whole pages of its own, laid so that its huge pages begin with it;
// what is left beyond the last 2 MiB border stays on small pages, so nothing is wasted.
constexpr size_t kHugePage = 2 << 20;

bool IsMapped(Bytes size) { return static_cast<size_t>(size.count()) >= kHugePage; }

std::byte* Map(size_t size) {
  const size_t reserved = size + kHugePage;
  void* mapped =
      mmap(nullptr, reserved, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  WL_CHECK(mapped != MAP_FAILED);
  auto* begin = static_cast<std::byte*>(mapped);
  const size_t before = (kHugePage - reinterpret_cast<uintptr_t>(begin) % kHugePage) % kHugePage;
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const size_t kept = (size + page - 1) / page * page;
  if (before > 0) munmap(begin, before);
  if (before + kept < reserved) munmap(begin + before + kept, reserved - before - kept);
  (void)madvise(begin + before, kept, MADV_HUGEPAGE);  // a wish: 4 KiB pages are slower, not wrong
  return begin + before;
}

}  // namespace

AlignedBuffer::AlignedBuffer(Bytes size) : size_(size) {
  WL_CHECK(size.count() >= 0);
  const auto count = static_cast<size_t>(size.count());
  if (count == 0) return;
  if (IsMapped(size)) {
    data_ = Map(count);
    return;
  }
  const size_t rounded = (count + 63) / 64 * 64;
  data_ = static_cast<std::byte*>(std::aligned_alloc(64, rounded));
  WL_CHECK(data_ != nullptr);
  std::memset(data_, 0, rounded);
}

AlignedBuffer::~AlignedBuffer() {
  if (data_ == nullptr) return;
  if (IsMapped(size_)) {
    munmap(data_, static_cast<size_t>(size_.count()));
  } else {
    std::free(data_);
  }
}

}  // namespace waferline::kernels
