#include "tests/bench/machine_peaks.h"

#include <time.h>

#include <array>
#include <atomic>
#include <cstring>

#include "wafer_backend/compute/kernels/cpu.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace waferline::bench {
namespace {

using kernels::CpuPath;

#if defined(__x86_64__)
#define WL_AVX2 __attribute__((target("avx2,fma"), noinline))
#define WL_AVX512 __attribute__((target("avx512f,avx512bw,avx512vnni"), noinline))

constexpr int64_t kTurns = 2'000'000;
constexpr int kChains = 12;  // more than the latency of any of these instructions

// What keeps a loop of loads from being thrown away.
template <typename Vector, size_t kVectors>
uint64_t SumOf(const Vector (&sums)[kVectors]) {
  std::array<uint64_t, kVectors*(sizeof(Vector) / sizeof(uint64_t))> lanes;
  std::memcpy(lanes.data(), sums, sizeof(lanes));
  uint64_t all = 0;
  for (const uint64_t lane : lanes) all += lane;
  return all;
}

WL_AVX512 void Int8Avx512() {
  __m512i sum[kChains] = {};
  const __m512i x = _mm512_set1_epi8(1);
  for (int64_t i = 0; i < kTurns; ++i) {
#pragma GCC unroll 12
    for (__m512i& s : sum) asm volatile("vpdpbusd %1, %1, %0" : "+v"(s) : "v"(x));
  }
}

WL_AVX512 void Int16Avx512() {
  __m512i sum[kChains] = {};
  const __m512i x = _mm512_set1_epi16(1);
  for (int64_t i = 0; i < kTurns; ++i) {
#pragma GCC unroll 12
    for (__m512i& s : sum) asm volatile("vpdpwssd %1, %1, %0" : "+v"(s) : "v"(x));
  }
}

WL_AVX512 void F32Avx512() {
  __m512 sum[kChains] = {};
  const __m512 x = _mm512_set1_ps(1.0f);
  for (int64_t i = 0; i < kTurns; ++i) {
#pragma GCC unroll 12
    for (__m512& s : sum) asm volatile("vfmadd231ps %1, %1, %0" : "+v"(s) : "v"(x));
  }
}

WL_AVX512 uint64_t ReadAvx512(const std::byte* from, int64_t bytes) {
  __m512i sum[4] = {};
  for (int64_t at = 0; at + 256 <= bytes; at += 256) {
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      sum[i] = _mm512_add_epi64(sum[i], _mm512_load_si512(from + at + 64 * i));
    }
  }
  return SumOf(sum);
}

// Without VNNI: products of bytes into sums of 16 bits. (Adding those up takes other units.)
WL_AVX2 void Int8Avx2() {
  __m256i sum[kChains] = {};
  const __m256i x = _mm256_set1_epi16(1);
  for (int64_t i = 0; i < kTurns; ++i) {
#pragma GCC unroll 12
    for (__m256i& s : sum) asm volatile("vpmaddubsw %1, %0, %0" : "+x"(s) : "x"(x));
  }
}

WL_AVX2 void Int8AvxVnni() {
  __m256i sum[kChains] = {};
  const __m256i x = _mm256_set1_epi8(1);
  for (int64_t i = 0; i < kTurns; ++i) {
#pragma GCC unroll 12
    for (__m256i& s : sum) asm volatile("%{vex%} vpdpbusd %1, %1, %0" : "+x"(s) : "x"(x));
  }
}

WL_AVX2 void Int16AvxVnni() {
  __m256i sum[kChains] = {};
  const __m256i x = _mm256_set1_epi16(1);
  for (int64_t i = 0; i < kTurns; ++i) {
#pragma GCC unroll 12
    for (__m256i& s : sum) asm volatile("%{vex%} vpdpwssd %1, %1, %0" : "+x"(s) : "x"(x));
  }
}

// (What adds them up takes the same units now and then: 0.81 of this is the most.)
WL_AVX2 void Int16Avx2() {
  __m256i sum[kChains] = {};
  const __m256i x = _mm256_set1_epi16(1);
  for (int64_t i = 0; i < kTurns; ++i) {
#pragma GCC unroll 12
    for (__m256i& s : sum) asm volatile("vpmaddwd %1, %0, %0" : "+x"(s) : "x"(x));
  }
}

WL_AVX2 void F32Avx2() {
  __m256 sum[kChains] = {};
  const __m256 x = _mm256_set1_ps(1.0f);
  for (int64_t i = 0; i < kTurns; ++i) {
#pragma GCC unroll 12
    for (__m256& s : sum) asm volatile("vfmadd231ps %1, %1, %0" : "+x"(s) : "x"(x));
  }
}

WL_AVX2 uint64_t ReadAvx2(const std::byte* from, int64_t bytes) {
  __m256i sum[4] = {};
  for (int64_t at = 0; at + 128 <= bytes; at += 128) {
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      const auto* line = reinterpret_cast<const __m256i*>(from + at + 32 * i);
      sum[i] = _mm256_add_epi64(sum[i], _mm256_load_si256(line));
    }
  }
  return SumOf(sum);
}
#endif

uint64_t ReadPortable(const std::byte* from, int64_t bytes) {
  uint64_t sum[4] = {};
  for (int64_t at = 0; at + 32 <= bytes; at += 32) {
    uint64_t words[4];
    std::memcpy(words, from + at, sizeof(words));
    for (int i = 0; i < 4; ++i) sum[i] += words[i];
  }
  return sum[0] + sum[1] + sum[2] + sum[3];
}

// A loop of one instruction; none where the CPU path has no such instruction.
struct Loop {
  void (*run)() = nullptr;
  double ops_per_instruction = 0;
};

// What this machine runs: everything else here would end in SIGILL.
struct Loops {
  Loop int8;
  Loop int16;
  Loop f32;
  uint64_t (*read)(const std::byte* from, int64_t bytes) = ReadPortable;
};

Loops LoopsOf(CpuPath path) {
#if defined(__x86_64__)
  switch (path) {
    case CpuPath::kAvx512:
    case CpuPath::kAvx512Bf16:
      return {{Int8Avx512, 128}, {Int16Avx512, 64}, {F32Avx512, 32}, ReadAvx512};
    case CpuPath::kAvxVnni:
      return {{Int8AvxVnni, 64}, {Int16AvxVnni, 32}, {F32Avx2, 16}, ReadAvx2};
    case CpuPath::kAvx2:
      return {{Int8Avx2, 64}, {Int16Avx2, 32}, {F32Avx2, 16}, ReadAvx2};
    case CpuPath::kPortable:
      break;
  }
#endif
  return {};
}

double OpsPerSecond(kernels::ThreadPool& pool, const Loop& loop) {
  if (loop.run == nullptr) return 0;
  const double begin = NowSeconds(pool);
  pool.ParallelFor(pool.threads(), [&loop](int64_t, int) { loop.run(); });
  return loop.ops_per_instruction * kChains * kTurns * pool.threads() / (NowSeconds(pool) - begin);
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
  const auto read = LoopsOf(kernels::BestPath()).read;
  std::atomic<uint64_t> sink{0};
  const double begin = NowSeconds(pool);
  pool.ParallelFor(parts, [&](int64_t part, int) {
    sink.fetch_add(read(memory.data() + part * kPart, kPart), std::memory_order_relaxed);
  });
  return static_cast<double>(parts * kPart) / (NowSeconds(pool) - begin);
}

double Int8Peak(kernels::ThreadPool& pool) {
  return OpsPerSecond(pool, LoopsOf(kernels::BestPath()).int8);
}
double Int16Peak(kernels::ThreadPool& pool) {
  return OpsPerSecond(pool, LoopsOf(kernels::BestPath()).int16);
}
double F32Peak(kernels::ThreadPool& pool) {
  return OpsPerSecond(pool, LoopsOf(kernels::BestPath()).f32);
}

}  // namespace waferline::bench
