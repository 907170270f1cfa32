// Working memory that kernels need besides their arguments: grown on demand, kept until the owner
// dies, never shrunk. Owner: the code that runs the model, one for each thread that calls kernels.
// What it holds has no meaning between calls. Bounds: see each kernel.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "wafer_backend/base/units.h"
#include "wafer_backend/compute/kernels/aligned_buffer.h"

namespace waferline::kernels {

class Scratch {
 public:
  enum Part { kActivations, kWorkers, kPartCount };

  // At least `size` bytes, aligned to 64; the part's earlier content is lost when it grows.
  std::byte* Take(Part part, Bytes size) {
    AlignedBuffer& buffer = parts_[part];
    if (buffer.size() < size) buffer = AlignedBuffer(size);
    return buffer.data();
  }

  Bytes size() const {
    Bytes sum;
    for (const AlignedBuffer& part : parts_) sum += part.size();
    return sum;
  }

 private:
  std::array<AlignedBuffer, kPartCount> parts_;
};

}  // namespace waferline::kernels
