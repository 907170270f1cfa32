// How long predictions take, so that schedulers and sweeps may call them freely.
//
//   build/bench/predict_bench
//
// Workload: each call on the same arguments, ten rounds of equal work; the median round is printed
// in microseconds a call.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <vector>

#include "wafer_backend/base/check.h"
#include "wafer_backend/hardware/placement/prediction.h"
#include "wafer_backend/hardware/placement/speed.h"
#include "wafer_backend/hardware/silicon/hardware_file.h"
#include "wafer_backend/hardware/timing/kernels.h"
#include "wafer_backend/hardware/timing/model_shape_file.h"
#include "wafer_backend/hardware/timing/profile_file.h"

namespace waferline::placement {
namespace {

using timing::Allreduce;
using timing::DecodeCosts;
using timing::GemvSize;
using timing::LoadModelShape;
using timing::LoadProfile;
using timing::ModelSizes;
using timing::Profile;

double MedianMicroseconds(int calls, const std::function<double()>& call) {
  std::vector<double> rounds;
  double sum = 0;
  for (int round = 0; round < 10; ++round) {
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < calls; ++i) sum += call();
    const std::chrono::duration<double, std::micro> took = std::chrono::steady_clock::now() - begin;
    rounds.push_back(took.count() / calls);
  }
  WL_CHECK(sum > 0);  // the calls were made
  std::sort(rounds.begin(), rounds.end());
  return rounds[rounds.size() / 2];
}

void Print(const char* what, double microseconds) {
  printf("%-58s %9.3f us\n", what, microseconds);
}

void Run() {
  const silicon::Hardware wse3 = *silicon::LoadHardware("wse-3");
  const silicon::WaferSpec& wafer = *wse3.wafer();
  const Profile open = *LoadProfile("open"), vendor = *LoadProfile("vendor-2024");
  Print("one kernel (gemv)", MedianMicroseconds(100000, [&] {
          return *timing::KernelCycles(wafer, open, GemvSize{Allreduce::kTree, 480, 14400, 14400});
        }));
  for (const char* name : {"llama-3.1-70b", "kimi-k2"}) {
    const ModelSizes shape = *LoadModelShape(name);
    printf("%s\n", name);
    const PlacementTask placed = {.shape = shape, .wafer = wafer, .profile = vendor};
    const Placement placement = *Place(placed);
    const DecodeCosts costs = SpeedOf(placed, placement).costs;
    int64_t kv = 0;
    Print("  latency of a token from stage costs", MedianMicroseconds(100000, [&] {
            return costs.TokenLatency(Tokens(++kv % 32768)).as_double();
          }));
    Print("  speed of a placement", MedianMicroseconds(300, [&] {
            return SpeedOf(placed, placement).user_tokens_per_second;
          }));
    Print("  placing the model",
          MedianMicroseconds(30, [&] { return static_cast<double>(Place(placed)->wafers()); }));
    const PredictionTask task = {.shape = shape, .wafer = wafer, .profile = vendor};
    Print("  placing and prediction with all its intervals",
          MedianMicroseconds(30, [&] { return Predict(task)->tokens_per_second.value; }));
  }
}

}  // namespace
}  // namespace waferline::placement

int main() { waferline::placement::Run(); }
