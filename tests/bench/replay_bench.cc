// What an offline run costs, in CPU time of its one thread:
//
//   replay_bench --config FLEET.yaml [--trace FILE] [--rounds 5]
//
// Reading the trace, then the simulation at once, twice and four times the load (as many times the
// devices, so that each is equally busy) and repeated four times; ns a token should stay the same.
// Without a trace: 12,000 generated requests of 12,000 prompt and 343 output tokens on average.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "scheduler/replay/generated_trace.h"
#include "scheduler/replay/replay.h"
#include "scheduler/replay/trace_reader.h"
#include "server/config/fleet_config.h"
#include "server/fleet/offline_cloud.h"

namespace waferline::bench {
namespace {

double CpuSeconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

std::string ReadAll(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return std::move(text).str();
}

template <typename T>
T Need(absl::StatusOr<T> value) {
  if (value.ok()) return *std::move(value);
  std::fprintf(stderr, "%s\n", std::string(value.status().message()).c_str());
  std::exit(1);
}

struct Load {
  const char* name;
  int scale;
  uint32_t repeat;
};

void Measure(const Load& load, const std::string& yaml, const replay::Trace& trace, int rounds) {
  config::FleetConfig fleet = Need(config::ParseFleetConfig("bench", yaml));
  for (config::LaneConfig& lane : fleet.models) {
    lane.prefill.workers *= load.scale;
    for (config::DecodeConfig& decode : lane.decode) decode.units *= load.scale;
    lane.link.bytes_per_second *= load.scale;
  }
  std::vector<double> seconds;
  replay::Report report;
  for (int round = 0; round < rounds; ++round) {
    const auto cloud = Need(fleet::OfflineCloud::Build(fleet));
    replay::ReplayOptions options = cloud->Options();
    options.speed_up = load.scale;
    options.repeat = load.repeat;
    const auto run =
        Need(replay::Replay::Create(options, cloud->timeline(), cloud->Lanes(), &trace));
    const double begin = CpuSeconds();
    while (run->Advance(Seconds(10))) {
    }
    report = run->MakeReport({});
    seconds.push_back(CpuSeconds() - begin);
  }
  std::sort(seconds.begin(), seconds.end());
  const double median = seconds[seconds.size() / 2];
  std::printf("%-16s %9lu tokens  %7.3f s  (best %.3f)  %6.1f ns a token  %8.0f times real time\n",
              load.name, static_cast<unsigned long>(report.output_tokens), median, seconds.front(),
              median * 1e9 / static_cast<double>(report.output_tokens), report.seconds() / median);
}

int Main(int argc, char** argv) {
  std::string config, trace_path;
  int rounds = 5;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string flag = argv[i];
    if (flag == "--config") config = argv[i + 1];
    if (flag == "--trace") trace_path = argv[i + 1];
    if (flag == "--rounds") rounds = std::atoi(argv[i + 1]);
  }
  replay::Trace trace;
  if (trace_path.empty()) {
    replay::Workload workload;
    workload.arrivals.per_second = 3.4;
    workload.prompt = *replay::ParseLengths("lognormal:mean=12000,sigma=1,max=100000");
    workload.output = *replay::ParseLengths("exponential:mean=343,max=4000");
    workload.requests = 12'000;
    trace = *replay::Generate(workload);
  } else {
    const double begin = CpuSeconds();
    const std::string text = ReadAll(trace_path);
    replay::ReadOptions options;
    options.format = Need(replay::GuessFormat(text));
    trace = Need(replay::ParseTrace(text, options)).trace;
    std::printf("%-16s %9zu requests %6.3f s\n", "read", trace.requests.size(),
                CpuSeconds() - begin);
  }
  const std::string yaml = ReadAll(config);
  for (const Load& load :
       {Load{"load x 1", 1, 1}, {"load x 2", 2, 1}, {"load x 4", 4, 1}, {"repeat 4", 1, 4}}) {
    Measure(load, yaml, trace, rounds);
  }
  return 0;
}

}  // namespace
}  // namespace waferline::bench

int main(int argc, char** argv) { return waferline::bench::Main(argc, argv); }
