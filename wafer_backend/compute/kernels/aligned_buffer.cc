#include "wafer_backend/compute/kernels/aligned_buffer.h"

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>

#include "wafer_backend/base/check.h"

namespace waferline::kernels {
namespace {
constexpr int64_t kHugePage = 2 << 20;

// Where huge pages pay: below, the rounding up to 2 MiB would waste more than it wins.
constexpr int64_t kWorthMapping = 8 * kHugePage;
}  // namespace

AlignedBuffer::AlignedBuffer(Bytes size) : size_(size) {
  WL_CHECK(size.count() >= 0);
  if (size.count() == 0) return;
  if (size.count() < kWorthMapping) {
    const size_t rounded = (static_cast<size_t>(size.count()) + 63) / 64 * 64;
    data_ = static_cast<std::byte*>(std::aligned_alloc(64, rounded));
    WL_CHECK(data_ != nullptr);
    std::memset(data_, 0, rounded);
    return;
  }
  void* mapped = mmap(nullptr, static_cast<size_t>(size.count()), PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  WL_CHECK(mapped != MAP_FAILED);
  (void)madvise(mapped, static_cast<size_t>(size.count()), MADV_HUGEPAGE);  // a wish, not a need
  data_ = static_cast<std::byte*>(mapped);
}

AlignedBuffer::~AlignedBuffer() {
  if (data_ == nullptr) return;
  if (size_.count() < kWorthMapping) {
    std::free(data_);
  } else {
    munmap(data_, static_cast<size_t>(size_.count()));
  }
}

}  // namespace waferline::kernels
