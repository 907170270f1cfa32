// Zeroed memory on 64-byte borders, on huge pages where the system grants them: a weight stream
// walks gigabytes, and a TLB miss every 4 KiB costs bandwidth. Move-only; any thread, not at once.
#pragma once

#include <cstddef>
#include <utility>

#include "wafer_backend/base/units.h"

namespace waferline::kernels {

class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  // Ends the process when the system has no memory left.
  explicit AlignedBuffer(Bytes size);
  AlignedBuffer(AlignedBuffer&& o) noexcept
      : data_(std::exchange(o.data_, nullptr)), size_(std::exchange(o.size_, Bytes())) {}
  AlignedBuffer& operator=(AlignedBuffer&& o) noexcept {
    std::swap(data_, o.data_);
    std::swap(size_, o.size_);
    return *this;
  }
  ~AlignedBuffer();

  std::byte* data() { return data_; }
  const std::byte* data() const { return data_; }
  Bytes size() const { return size_; }

 private:
  std::byte* data_ = nullptr;
  Bytes size_;
};

}  // namespace waferline::kernels
