// Prints the machine's ceilings as JSON, medians of a few rounds:
//
//   machine_peaks [--threads 2] [--cpu PATH]
#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "tests/bench/machine_peaks.h"
#include "wafer_backend/compute/kernels/cpu.h"

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
      "{\"threads\":%d,\"read_bytes_per_s\":%.4g,\"int8_ops_per_s\":%.4g,\"int16_ops_per_s\":%.4g,"
      "\"f32_ops_per_s\":%.4g}\n",
      threads, MedianOf5([&] { return ReadBandwidth(pool, memory); }),
      MedianOf5([&] { return Int8Peak(pool); }), MedianOf5([&] { return Int16Peak(pool); }),
      MedianOf5([&] { return F32Peak(pool); }));
  return 0;
}

}  // namespace
}  // namespace waferline::bench

int main(int argc, char** argv) {
  int threads = 2;
  bool understood = argc % 2 == 1;
  for (int i = 1; understood && i < argc; i += 2) {
    if (std::strcmp(argv[i], "--threads") == 0) {
      threads = std::atoi(argv[i + 1]);
    } else {
      understood =
          std::strcmp(argv[i], "--cpu") == 0 && waferline::kernels::ChoosePath(argv[i + 1]).ok();
    }
  }
  if (!understood || threads < 1 || threads > 256) {
    std::fprintf(stderr,
                 "usage: machine_peaks [--threads N] [--cpu PATH], N from 1 to 256, PATH portable, "
                 "avx2 or avx512 if this machine can run it\n");
    return 2;
  }
  return waferline::bench::Run(threads);
}
