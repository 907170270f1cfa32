// Speed of the matrix kernels as a share of what the machine can do, measured in the same run:
//
//   kernels_bench [--threads 2] [--rounds 7] [--only TEXT] [--cpu PATH] [--json]
//
// Each round measures the ceiling and the kernel one after the other; the figures are medians, so
// that a busy neighbour spoils a round and not the result; with one thread CPU time is measured, so
// that it does not even spoil that. Weights are as many matrices as fill 256
// MiB, walked in turn, so that they come from memory as in a large model; the "small" lines stay in
// the cache.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "tests/bench/machine_peaks.h"
#include "wafer_backend/base/check.h"
#include "wafer_backend/base/seeded_stream.h"
#include "wafer_backend/compute/kernels/matrix.h"
#include "wafer_backend/compute/kernels/quant_traits.h"

namespace waferline::bench {
namespace {

using kernels::DType;
using kernels::PackedMatrix;

struct Options {
  int threads = 2;
  int rounds = 7;
  std::string only;
  bool json = false;
};

struct Workload {
  DType dtype;
  int64_t rows;
  int64_t cols;
  int64_t n;
  int64_t weight_bytes;  // in all matrices together
};

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// Weights whose values do not matter but are finite: zero units.
std::vector<PackedMatrix> MakeMatrices(const Workload& w, kernels::ThreadPool& pool) {
  const int64_t bytes = kernels::BytesFor(w.dtype, w.rows * w.cols).count();
  const std::vector<std::byte> source(static_cast<size_t>(bytes));
  std::vector<PackedMatrix> matrices;
  for (int64_t made = 0; made < w.weight_bytes || matrices.empty(); made += bytes) {
    auto packed = PackedMatrix::Pack(w.dtype, w.rows, w.cols, source, pool);
    WL_CHECK(packed.ok());
    matrices.push_back(*std::move(packed));
  }
  return matrices;
}

void Report(const Options& options, const Workload& w, double bytes_per_s, double ops_per_s,
            double read_share, double compute_share) {
  const std::string name(kernels::Name(w.dtype));
  const bool small = w.weight_bytes == 0;
  if (options.json) {
    std::printf(
        "{\"dtype\":\"%s\",\"rows\":%ld,\"cols\":%ld,\"n\":%ld,\"cached\":%s,\"gb_per_s\":%.2f,"
        "\"gop_per_s\":%.1f,\"read_share\":%.3f,\"compute_share\":%.3f}\n",
        name.c_str(), w.rows, w.cols, w.n, small ? "true" : "false", bytes_per_s * 1e-9,
        ops_per_s * 1e-9, read_share, compute_share);
    return;
  }
  std::printf("%-5s %6ld x %-5ld n=%-4ld %-6s %7.1f GB/s %5.0f %% of read  %7.1f Gop/s %5.1f %%\n",
              name.c_str(), w.rows, w.cols, w.n, small ? "small" : "", bytes_per_s * 1e-9,
              read_share * 100, ops_per_s * 1e-9, compute_share * 100);
}

void Measure(const Options& options, const Workload& w, kernels::ThreadPool& pool,
             const kernels::AlignedBuffer& memory) {
  const std::vector<PackedMatrix> matrices = MakeMatrices(w, pool);
  std::vector<float> x(static_cast<size_t>(w.n * w.cols));
  SeededStream random(1);
  for (float& value : x) value = static_cast<float>(random.Uniform() - 0.5);
  std::vector<float> y(static_cast<size_t>(w.n * w.rows));
  kernels::Scratch scratch;
  const double ops_each = 2.0 * static_cast<double>(w.rows * w.cols * w.n);
  // Long enough to be timed: 50 ms at 200 Gop/s or 10 GB/s.
  const double seconds_each =
      std::max(ops_each / 400e9, matrices[0].bytes().as_double() / 25e9) + 1e-7;
  const auto calls = std::max<int64_t>(static_cast<int64_t>(matrices.size()),
                                       static_cast<int64_t>(0.05 / seconds_each));
  std::vector<double> bytes_per_s, ops_per_s, read_share, compute_share;
  for (int round = -1; round < options.rounds; ++round) {
    const double read = ReadBandwidth(pool, memory);
    const kernels::QuantTraits& type = kernels::TraitsOf(w.dtype);
    const double peak = type.int16()       ? Int16Peak(pool)
                        : type.quantised() ? Int8Peak(pool)
                                           : F32Peak(pool);
    const double begin = NowSeconds(pool);
    for (int64_t call = 0; call < calls; ++call) {
      const auto& matrix = matrices[static_cast<size_t>(call) % matrices.size()];
      MatMul(matrix, x.data(), y.data(), w.n, pool, scratch);
    }
    const double seconds = (NowSeconds(pool) - begin) / static_cast<double>(calls);
    if (round < 0) continue;  // warm-up
    bytes_per_s.push_back(matrices[0].bytes().as_double() / seconds);
    ops_per_s.push_back(ops_each / seconds);
    read_share.push_back(bytes_per_s.back() / read);
    compute_share.push_back(peak > 0 ? ops_per_s.back() / peak : 0);
  }
  Report(options, w, Median(bytes_per_s), Median(ops_per_s), Median(read_share),
         Median(compute_share));
}

std::vector<Workload> Workloads() {
  std::vector<Workload> all;
  constexpr int64_t kLarge = 256 << 20;
  for (const kernels::QuantTraits& type : kernels::kQuantTraits) {
    const DType dtype = type.dtype;
    for (int64_t n : {1, 2, 3, 4, 8, 16, 32, 128, 512})
      all.push_back({dtype, 8192, 2048, n, kLarge});
    all.push_back({dtype, 2048, 8192, 1, kLarge});
    all.push_back({dtype, 2048, 8192, 512, kLarge});
    if (!type.super_blocks()) all.push_back({dtype, 288, 288, 1, 0});
    all.push_back({dtype, 768, 768, 1, 0});
    all.push_back({dtype, 768, 768, 8, 0});
  }
  return all;
}

int Run(const Options& options) {
  kernels::ThreadPool pool(options.threads);
  kernels::AlignedBuffer memory(Bytes(512 << 20));
  std::memset(memory.data(), 1, static_cast<size_t>(memory.size().count()));
  if (!options.json) {
    std::printf("%d threads, path %s, read %.1f GB/s, int8 %.0f Gop/s, int16 %.0f, f32 %.0f\n",
                options.threads, std::string(kernels::Name(kernels::BestPath())).c_str(),
                ReadBandwidth(pool, memory) * 1e-9, Int8Peak(pool) * 1e-9, Int16Peak(pool) * 1e-9,
                F32Peak(pool) * 1e-9);
  }
  for (const Workload& w : Workloads()) {
    const std::string name = std::string(kernels::Name(w.dtype)) + " n=" + std::to_string(w.n) +
                             (w.weight_bytes == 0 ? " small" : "");
    if (name.find(options.only) != std::string::npos) Measure(options, w, pool, memory);
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace
}  // namespace waferline::bench

int main(int argc, char** argv) {
  waferline::bench::Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    const char* value = i + 1 < argc ? argv[i + 1] : nullptr;
    if (flag == "--json") {
      options.json = true;
      continue;
    }
    if (value == nullptr ||
        (flag != "--threads" && flag != "--rounds" && flag != "--only" && flag != "--cpu")) {
      std::fprintf(stderr,
                   "usage: kernels_bench [--threads N] [--rounds N] [--only TEXT] [--cpu PATH] "
                   "[--json]\n");
      return 2;
    }
    if (flag == "--cpu") {
      const absl::Status chosen = waferline::kernels::ChoosePath(value);
      if (!chosen.ok()) {
        std::fprintf(stderr, "--cpu: %s\n", std::string(chosen.message()).c_str());
        return 2;
      }
    }
    if (flag == "--threads") options.threads = std::atoi(value);
    if (flag == "--rounds") options.rounds = std::max(1, std::atoi(value));
    if (flag == "--only") options.only = value;
    ++i;
  }
  return waferline::bench::Run(options);
}
