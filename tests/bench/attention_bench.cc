// Speed of attention as a share of what the machine can do, measured in the same run:
//
//   attention_bench [--threads 2] [--rounds 7] [--cpu PATH]
//
// Llama-3.2-1B's heads (32 of 64 dimensions, 8 for KV): prompts are compared with the f32 peak,
// single tokens with the read bandwidth. With one thread CPU time is measured.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "tests/bench/machine_peaks.h"
#include "wafer_backend/compute/kernels/attention.h"

namespace waferline::bench {
namespace {

struct Workload {
  const char* name;
  int64_t sequences;
  int64_t first;  // position of the first row
  int64_t rows;
  int64_t window = 0;  // positions that a row sees; 0: all
};

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

void Measure(const Workload& w, int rounds, kernels::ThreadPool& pool,
             const kernels::AlignedBuffer& memory) {
  const kernels::KvPageLayout layout{.layers = 1, .kv_heads = 8, .head_dim = 64, .page_tokens = 64};
  const kernels::AttentionShape shape{.heads = 32, .scale = 0.125f, .window = w.window};
  const int64_t page_count = (w.first + w.rows + 63) / 64;
  std::vector<kernels::AlignedBuffer> caches;
  std::vector<std::vector<const std::byte*>> pages(static_cast<size_t>(w.sequences));
  std::vector<float> queries(static_cast<size_t>(w.sequences * w.rows * 2048), 0.01f);
  std::vector<float> out(queries.size());
  std::vector<kernels::QueryRun> runs;
  for (int64_t s = 0; s < w.sequences; ++s) {
    caches.emplace_back(page_count * layout.page_bytes());
    for (int64_t p = 0; p < page_count; ++p) {
      pages[s].push_back(caches.back().data() + p * layout.page_bytes().count());
    }
    const int64_t at = s * w.rows * 2048;
    runs.push_back({pages[s].data(), w.first, w.rows, &queries[at], &out[at]});
  }
  double seen = 0;
  for (int64_t row = w.first; row < w.first + w.rows; ++row) {
    seen += static_cast<double>(row + 1 - shape.FirstSeen(row));
  }
  const double flops = 4.0 * 2048 * seen * static_cast<double>(w.sequences);
  const int64_t pages_seen = page_count - shape.FirstSeen(w.first) / layout.page_tokens;
  const double bytes =
      layout.page_bytes().as_double() * static_cast<double>(pages_seen * w.sequences);
  kernels::Scratch scratch;
  std::vector<double> gflops, gbytes, of_peak, of_read;
  const int calls = std::max(1, static_cast<int>(1e9 / flops));
  for (int round = -1; round < rounds; ++round) {
    const double peak = F32Peak(pool);
    const double read = ReadBandwidth(pool, memory);
    const double begin = NowSeconds(pool);
    for (int call = 0; call < calls; ++call) Attend(shape, layout, 0, runs, pool, scratch);
    const double seconds = (NowSeconds(pool) - begin) / calls;
    if (round < 0) continue;
    gflops.push_back(flops / seconds * 1e-9);
    gbytes.push_back(bytes / seconds * 1e-9);
    of_peak.push_back(flops / seconds / peak * 100);
    of_read.push_back(bytes / seconds / read * 100);
  }
  std::printf("%-28s %7.1f GFLOP/s %3.0f %% of f32 peak, KV %6.1f GB/s %3.0f %% of read\n", w.name,
              Median(gflops), Median(of_peak), Median(gbytes), Median(of_read));
}

}  // namespace
}  // namespace waferline::bench

int main(int argc, char** argv) {
  using namespace waferline;
  int threads = 2;
  int rounds = 7;
  for (int i = 1; i + 1 < argc; i += 2) {
    if (std::string(argv[i]) == "--threads") threads = std::atoi(argv[i + 1]);
    if (std::string(argv[i]) == "--rounds") rounds = std::max(1, std::atoi(argv[i + 1]));
    if (std::string(argv[i]) != "--cpu" || kernels::ChoosePath(argv[i + 1]).ok()) continue;
    std::fprintf(stderr, "--cpu %s: no CPU path of this machine\n", argv[i + 1]);
    return 2;
  }
  kernels::ThreadPool pool(threads);
  kernels::AlignedBuffer memory(Bytes(512 << 20));
  std::memset(memory.data(), 1, static_cast<size_t>(memory.size().count()));
  for (const bench::Workload& w :
       {bench::Workload{"prompt of 512", 1, 0, 512},
        bench::Workload{"512 more after 3584", 1, 3584, 512},
        bench::Workload{"1 token at 512", 1, 511, 1},
        bench::Workload{"1 token at 32768", 1, 32767, 1},
        bench::Workload{"1 token at 131072", 1, 131071, 1},
        bench::Workload{"1 token at 131072, window 512", 1, 131071, 1, 512},
        bench::Workload{"512 after 3584, window 512", 1, 3584, 512, 512},
        bench::Workload{"16 tokens at 4096 each", 16, 4095, 1}}) {
    bench::Measure(w, rounds, pool, memory);
  }
  return 0;
}
