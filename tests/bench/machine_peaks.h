// What this machine can do at most: the ceilings of a roofline. Each is measured by a loop that
// does nothing else, on all threads of the pool at once.
#pragma once

#include <cstddef>

#include "wafer_backend/compute/kernels/aligned_buffer.h"
#include "wafer_backend/compute/kernels/thread_pool.h"

namespace waferline::bench {

// Seconds that count: of the wall, or, with one thread, of its CPU time, which stands still while
// a busy neighbour has the core.
double NowSeconds(const kernels::ThreadPool& pool);

// Bytes a second that all threads together read from `memory`, which must be many times the caches.
double ReadBandwidth(kernels::ThreadPool& pool, const kernels::AlignedBuffer& memory);

// Multiplications and additions a second, each counted as one, that the kernels' path on this CPU
// (kernels/cpu.h) could do with int8, int16 and f32 weights without memory. AVX-512: VNNI and
// FMA; AVX2: products of bytes and of 16 bits and FMA; the portable path: not measured, 0.
double Int8Peak(kernels::ThreadPool& pool);
double Int16Peak(kernels::ThreadPool& pool);
double F32Peak(kernels::ThreadPool& pool);

}  // namespace waferline::bench
