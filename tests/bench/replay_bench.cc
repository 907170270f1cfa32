// What an offline run costs, in CPU time of its one thread:
//
//   replay_bench --config FLEET.yaml [--trace FILE] [--rounds 5] [--only "fleet x 1"]
//
// Reading the trace, then the simulation: the load doubled with its devices (each is equally busy),
// the load doubled on the same devices, the same load on up to 10,000 times the devices, and the
// load repeated. Each is run a second time with one
// token a request: what the other tokens cost beyond that should stay the same; what a request
// costs grows with the devices that it is routed over. --only: the loads with that in their names.
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
#include "scheduler/fleet/config/fleet_config.h"
#include "scheduler/simulator/generated_trace.h"
#include "scheduler/simulator/offline_cloud.h"
#include "scheduler/simulator/replay.h"
#include "scheduler/simulator/trace_reader.h"

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
  std::string name;
  int devices;
  int speed_up;
  uint32_t repeat;
};

struct Cost {
  double seconds = 0;  // median
  simulator::Report report;
};

Cost Measure(const Load& load, fleet::FleetConfig fleet, const simulator::Trace& trace,
             int rounds) {
  for (fleet::LaneConfig& lane : fleet.models) {
    lane.prefill.workers *= load.devices;
    for (fleet::DecodeConfig& decode : lane.decode) decode.units *= load.devices;
    lane.link.bytes_per_second *= load.devices;
  }
  std::vector<double> seconds;
  Cost cost;
  for (int round = 0; round < rounds; ++round) {
    const auto cloud = Need(simulator::OfflineCloud::Build(fleet));
    simulator::ReplayOptions options = cloud->Options();
    options.speed_up = load.speed_up;
    options.repeat = load.repeat;
    const auto run =
        Need(simulator::Replay::Create(options, cloud->timeline(), cloud->Lanes(), &trace));
    const double begin = CpuSeconds();
    while (run->Advance(Seconds(10))) {
    }
    seconds.push_back(CpuSeconds() - begin);
    cost.report = run->MakeReport({});
  }
  std::sort(seconds.begin(), seconds.end());
  cost.seconds = seconds[seconds.size() / 2];
  return cost;
}

int Main(int argc, char** argv) {
  std::string config, trace_path, only;
  int rounds = 5;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string flag = argv[i];
    if (flag == "--config") config = argv[i + 1];
    if (flag == "--trace") trace_path = argv[i + 1];
    if (flag == "--rounds") rounds = std::atoi(argv[i + 1]);
    if (flag == "--only") only = argv[i + 1];
  }
  simulator::Trace trace;
  if (trace_path.empty()) {
    simulator::Workload workload;
    workload.arrivals.per_second = 3.4;
    workload.prompt = *simulator::ParseLengths("lognormal:mean=12000,sigma=1,max=100000");
    workload.output = *simulator::ParseLengths("exponential:mean=343,max=4000");
    workload.requests = 12'000;
    trace = *simulator::Generate(workload);
  } else {
    const double begin = CpuSeconds();
    const std::string text = ReadAll(trace_path);
    simulator::ReadOptions options;
    options.format = Need(simulator::GuessFormat(text));
    trace = Need(simulator::ParseTrace(text, options)).trace;
    std::printf("%-16s %9zu requests %6.3f s\n", "read", trace.requests.size(),
                CpuSeconds() - begin);
  }
  const fleet::FleetConfig fleet = Need(fleet::ParseFleetConfig(config, ReadAll(config)));
  simulator::Trace one_token = trace;
  for (simulator::TraceRequest& request : one_token.requests) request.output_tokens = 1;
  std::vector<Load> loads;
  for (const int n : {1, 2, 4, 8, 16})
    loads.push_back({absl::StrCat("load, fleet x ", n), n, n, 1});
  for (const int n : {1, 2, 4, 8})
    loads.push_back({absl::StrCat("fleet x 16, load x ", n), 16, n, 1});
  for (const int n : {100, 1000, 10000}) loads.push_back({absl::StrCat("fleet x ", n), n, 1, 1});
  loads.push_back({"repeated 4 times", 1, 1, 4});
  std::printf("%-22s %9s %8s %12s %18s %14s %16s\n", "", "tokens", "s", "ns a token",
              "of those, its own", "us a request", "times real time");
  for (const Load& load : loads) {
    if (load.name.find(only) == std::string::npos) continue;
    const Cost all = Measure(load, fleet, trace, rounds);
    const Cost requests = Measure(load, fleet, one_token, rounds);
    const auto tokens = static_cast<double>(all.report.output_tokens);
    const auto first = static_cast<double>(requests.report.output_tokens);
    std::printf("%-22s %9.0f %8.3f %12.1f %18.1f %14.2f %16.0f\n", load.name.c_str(), tokens,
                all.seconds, all.seconds * 1e9 / tokens,
                (all.seconds - requests.seconds) * 1e9 / (tokens - first),
                requests.seconds * 1e6 / first, all.report.seconds() / all.seconds);
  }
  return 0;
}

}  // namespace
}  // namespace waferline::bench

int main(int argc, char** argv) { return waferline::bench::Main(argc, argv); }
