#include "tests/bench/machine_peaks.h"

#include <immintrin.h>
#include <time.h>

#include <atomic>

#include "wafer_backend/compute/kernels/cpu.h"

namespace waferline::bench {
namespace {

#define WL_AVX512 __attribute__((target("avx512f,avx512bw,avx512vnni,avx512bf16"), noinline))

constexpr int64_t kTurns = 2'000'000;
constexpr int kChains = 12;  // more than the latency of any of these instructions

WL_AVX512 void Int8Loop() {
  __m512i sum[kChains] = {};
  const __m512i x = _mm512_set1_epi8(1);
  for (int64_t i = 0; i < kTurns; ++i) {
#pragma GCC unroll 12
    for (__m512i& s : sum) asm volatile("vpdpbusd %1, %1, %0" : "+v"(s) : "v"(x));
  }
}

WL_AVX512 void Bf16Loop() {
  __m512 sum[kChains] = {};
  const __m512i x = _mm512_set1_epi16(0x3f80);
  for (int64_t i = 0; i < kTurns; ++i) {
#pragma GCC unroll 12
    for (__m512& s : sum) asm volatile("vdpbf16ps %1, %1, %0" : "+v"(s) : "v"(x));
  }
}

WL_AVX512 void F32Loop() {
  __m512 sum[kChains] = {};
  const __m512 x = _mm512_set1_ps(1.0f);
  for (int64_t i = 0; i < kTurns; ++i) {
#pragma GCC unroll 12
    for (__m512& s : sum) asm volatile("vfmadd231ps %1, %1, %0" : "+v"(s) : "v"(x));
  }
}

WL_AVX512 uint64_t ReadAll(const std::byte* from, int64_t bytes) {
  __m512i sum[4] = {};
  for (int64_t at = 0; at + 256 <= bytes; at += 256) {
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      sum[i] = _mm512_add_epi64(sum[i], _mm512_load_si512(from + at + 64 * i));
    }
  }
  const __m512i all = _mm512_add_epi64(_mm512_add_epi64(sum[0], sum[1]), sum[2]);
  return static_cast<uint64_t>(_mm512_reduce_add_epi64(_mm512_add_epi64(all, sum[3])));
}

double OpsPerSecond(kernels::ThreadPool& pool, void (*loop)(), double ops_per_instruction) {
  if (!kernels::Supports(kernels::CpuPath::kAvx512)) return 0;
  const double begin = NowSeconds(pool);
  pool.ParallelFor(pool.threads(), [loop](int64_t, int) { loop(); });
  return ops_per_instruction * kChains * kTurns * pool.threads() / (NowSeconds(pool) - begin);
}

}  // namespace

double NowSeconds(const kernels::ThreadPool& pool) {
  timespec now;
  clock_gettime(pool.threads() == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

double ReadBandwidth(kernels::ThreadPool& pool, const kernels::AlignedBuffer& memory) {
  constexpr int64_t kPart = 1 << 20;
  const int64_t parts = memory.size().count() / kPart;
  std::atomic<uint64_t> sink{0};
  const double begin = NowSeconds(pool);
  pool.ParallelFor(parts, [&](int64_t part, int) {
    sink.fetch_add(ReadAll(memory.data() + part * kPart, kPart), std::memory_order_relaxed);
  });
  return static_cast<double>(parts * kPart) / (NowSeconds(pool) - begin);
}

double Int8Peak(kernels::ThreadPool& pool) { return OpsPerSecond(pool, Int8Loop, 128); }
double Bf16Peak(kernels::ThreadPool& pool) { return OpsPerSecond(pool, Bf16Loop, 64); }
double F32Peak(kernels::ThreadPool& pool) { return OpsPerSecond(pool, F32Loop, 32); }

}  // namespace waferline::bench
