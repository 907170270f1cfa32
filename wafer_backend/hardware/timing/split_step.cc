#include "wafer_backend/hardware/timing/split_step.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <queue>
#include <utility>
#include <vector>

#include "wafer_backend/base/check.h"

namespace waferline::timing {
namespace {

constexpr size_t kStops = 4;  // of a micro-batch in a layer: attention, out, feed-forward, back

struct Stop {
  Nanoseconds takes, then;
};

Stop StopOf(const SplitLayer& layer, size_t stop) {
  switch (stop) {
    case 0:
      return {layer.attention, Nanoseconds()};
    case 1:
      return {layer.out.sending, layer.out.latency};
    case 2:
      return {layer.ffn, Nanoseconds()};
    default:
      return {layer.back.sending, layer.back.latency};
  }
}

// A micro-batch that arrives at a stop; `passed` counts the stops before it. The earliest arrival
// first, of equal ones the smaller number.
struct Arrival {
  Nanoseconds at;
  int micro_batch = 0;
  size_t passed = 0;
  bool operator>(const Arrival& o) const {
    return at != o.at ? at > o.at : micro_batch > o.micro_batch;
  }
};

struct LayerList {
  size_t count = 0;
  std::function<const SplitLayer&(size_t)> at;
};

Nanoseconds Simulate(const LayerList& layers, int micro_batches, const SplitSides& sides,
                     std::vector<SplitSpan>* spans = nullptr) {
  std::priority_queue<Arrival, std::vector<Arrival>, std::greater<>> arrivals;
  for (int i = 0; i < micro_batches; ++i) arrivals.push({Nanoseconds(), i, 0});
  std::vector<Nanoseconds> free(layers.count * kStops);  // when a server has done what came before
  Nanoseconds end;
  while (!arrivals.empty()) {
    Arrival next = arrivals.top();
    arrivals.pop();
    const size_t layer = next.passed / kStops, stop = next.passed % kStops;
    const bool own = (stop == 0 && sides.attention_by_layer) || (stop == 2 && sides.ffn_by_layer);
    Nanoseconds& server = free[(own ? layer : 0) * kStops + stop];
    const Stop there = StopOf(layers.at(layer), stop);
    const Nanoseconds begin = std::max(server, next.at);
    server = begin + there.takes;
    if (spans != nullptr) {
      spans->push_back(
          {next.micro_batch, static_cast<int>(layer), static_cast<SplitStop>(stop), begin, server});
    }
    next.at = server + there.then;
    if (++next.passed < layers.count * kStops) {
      arrivals.push(next);
    } else {
      end = std::max(end, next.at);
    }
  }
  return end;
}

Nanoseconds Slowest(const SplitLayer& layer) {
  return std::max({layer.attention, layer.ffn, layer.out.sending, layer.back.sending});
}

}  // namespace

Nanoseconds SplitStepTime(const SplitLayer& layer, int layers, int micro_batches) {
  WL_CHECK(layers >= 1 && micro_batches >= 1);
  const Nanoseconds around = layer.around(), slowest = Slowest(layer);
  const int64_t passes = int64_t{micro_batches} * layers;
  return std::max(around * layers + slowest * (micro_batches - 1), around + slowest * (passes - 1));
}

Nanoseconds SplitStepTime(const SplitLayer& layer, int layers, int micro_batches,
                          const SplitSides& sides) {
  if (!sides.attention_by_layer && !sides.ffn_by_layer) {
    return SplitStepTime(layer, layers, micro_batches);
  }
  Nanoseconds shared = std::max(layer.out.sending, layer.back.sending);
  if (!sides.attention_by_layer) shared = std::max(shared, layer.attention);
  if (!sides.ffn_by_layer) shared = std::max(shared, layer.ffn);
  const Nanoseconds around = layer.around(), slowest = Slowest(layer);
  // The first micro-batch is back at each server before the last one needs it.
  if (slowest * (micro_batches - 1) + shared <= around) {
    return around * layers + slowest * (micro_batches - 1);
  }
  return Simulate({static_cast<size_t>(layers), [&](size_t) -> const SplitLayer& { return layer; }},
                  micro_batches, sides);
}

Nanoseconds SplitStepTime(std::span<const SplitLayer> layers, int micro_batches,
                          const SplitSides& sides) {
  WL_CHECK(!layers.empty() && micro_batches >= 1);
  return Simulate({layers.size(), [&](size_t i) -> const SplitLayer& { return layers[i]; }},
                  micro_batches, sides);
}

std::vector<SplitSpan> SplitSpans(std::span<const SplitLayer> layers, int micro_batches,
                                  const SplitSides& sides) {
  WL_CHECK(!layers.empty() && micro_batches >= 1);
  std::vector<SplitSpan> spans;
  Simulate({layers.size(), [&](size_t i) -> const SplitLayer& { return layers[i]; }}, micro_batches,
           sides, &spans);
  return spans;
}

int MicroBatchesThatHide(const SplitLayer& layer) {
  const int64_t slowest = Slowest(layer).count();
  if (slowest == 0) return 1;
  return static_cast<int>((layer.around().count() + slowest - 1) / slowest);
}

Bytes LinkBytes(const HiddenState& state, int64_t tokens, int64_t layers) {
  // Sizes of a value are multiples of a quarter byte at least: exact in integers.
  const auto quarters = std::llround(4 * (state.a2f_bytes + state.f2a_bytes));
  return Bytes(tokens * layers * state.values * quarters / 4);
}

Nanoseconds StageBudget(Nanoseconds token, int layers) {
  return Nanoseconds(std::llround(token.as_double() / layers / 3));
}

double LinkForStage(const HiddenState& state, int64_t tokens, Nanoseconds stage) {
  return LinkBytes(state, tokens, 1).as_double() / ToSeconds(stage);
}

}  // namespace waferline::timing
