// Prints the machine's ceilings as JSON, medians of a few rounds:
//
//   machine_peaks [--threads 2]
#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "tests/bench/machine_peaks.h"

namespace waferline::bench {
namespace {

template <typename Measure>
double MedianOf5(Measure measure) {
  std::array<double, 5> values;
  for (double& value : values) value = measure();
  std::sort(values.begin(), values.end());
  return values[2];
}

int Run(int threads) {
  kernels::ThreadPool pool(threads);
  kernels::AlignedBuffer memory(Bytes(512 << 20));
  std::memset(memory.data(), 1, static_cast<size_t>(memory.size().count()));
  std::printf(
      "{\"threads\":%d,\"read_bytes_per_s\":%.4g,\"int8_ops_per_s\":%.4g,\"bf16_ops_per_s\":%.4g,"
      "\"f32_ops_per_s\":%.4g}\n",
      threads, MedianOf5([&] { return ReadBandwidth(pool, memory); }),
      MedianOf5([&] { return Int8Peak(pool); }), MedianOf5([&] { return Bf16Peak(pool); }),
      MedianOf5([&] { return F32Peak(pool); }));
  return 0;
}

}  // namespace
}  // namespace waferline::bench

int main(int argc, char** argv) {
  const bool has_threads = argc == 3 && std::strcmp(argv[1], "--threads") == 0;
  const int threads = has_threads ? std::atoi(argv[2]) : 2;
  if ((argc != 1 && !has_threads) || threads < 1 || threads > 256) {
    std::fprintf(stderr, "usage: machine_peaks [--threads N], N from 1 to 256\n");
    return 2;
  }
  return waferline::bench::Run(threads);
}
