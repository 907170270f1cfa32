// How long a decode step takes whose layers are cut in two: attention on one side, feed-forward on
// the other, and between them a link that hidden states cross twice a layer. Several micro-batches
// are in flight, so that one side works while the other has the hidden states of another one.
//
// Sources: MegaScale-Infer (arXiv 2504.02263): the time of a step, and m >= 2 (1 + Tc / Tf)
// micro-batches to hide the link; Step-3 (arXiv 2507.19427): attention, feed-forward and network as
// three stages of equal length. What is added here: the link takes one hidden state after another,
// each for as long as sending it takes, and a side may be many machines with a layer each, as the
// regions of a wafer are. Integer nanoseconds; pure; any thread.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "wafer_backend/base/units.h"

namespace waferline::timing {

// One way over the link: the next micro-batch may be sent after `sending`, this one arrives
// `latency` later still.
struct Crossing {
  Nanoseconds sending, latency;
  Nanoseconds total() const { return sending + latency; }
};

// One micro-batch in one layer.
struct SplitLayer {
  Nanoseconds attention, ffn;
  Crossing out, back;
  Nanoseconds around() const { return attention + out.total() + ffn + back.total(); }
};

// Whether each layer has its own part of a side (SRAM machines, where a layer owns cores), or all
// layers take turns on the whole side (GPUs).
struct SplitSides {
  bool attention_by_layer = false;
  bool ffn_by_layer = false;
};

// From the start of all micro-batches until the last of them is back from the last layer. Every
// server (a side, or a layer's part of it, and either direction of the link) takes micro-batches in
// the order of their arrival. `micro_batches` and `layers` >= 1.
//
// With sides that layers share, around = Ta + Te + 2 Tc and Tf = the longest of Ta, Te and a
// sending: max(layers around + (m - 1) Tf, around + (m layers - 1) Tf): what one micro-batch takes,
// or what the busiest server does. O(1).
Nanoseconds SplitStepTime(const SplitLayer& layer, int layers, int micro_batches);
// The same with any sides. O(1), or O(layers micro_batches log micro_batches) where a server that
// all layers share is saturated and another is not shared.
Nanoseconds SplitStepTime(const SplitLayer& layer, int layers, int micro_batches,
                          const SplitSides& sides);
// Where layers differ: event by event. O(layers micro_batches log micro_batches).
Nanoseconds SplitStepTime(std::span<const SplitLayer> layers, int micro_batches,
                          const SplitSides& sides);

// The same step as it passes, for a picture: where each micro-batch is worked on, or sent.
enum class SplitStop : uint8_t { kAttention, kOut, kFfn, kBack };
struct SplitSpan {
  int micro_batch = 0;
  int layer = 0;
  SplitStop stop = SplitStop::kAttention;
  Nanoseconds begin, end;  // of a sending without its latency
};
std::vector<SplitSpan> SplitSpans(std::span<const SplitLayer> layers, int micro_batches,
                                  const SplitSides& sides);

// The fewest micro-batches with which neither side waits for the link: m >= 2 (1 + Tc / Tf) for two
// equal sides and Tc each way; in general ceil(around / Tf). 1 if nothing takes time.
int MicroBatchesThatHide(const SplitLayer& layer);

// What crosses: tokens x layers x hidden x (a2f + f2a), exactly.
struct HiddenState {
  int64_t values = 0;                   // the model's width
  double a2f_bytes = 2, f2a_bytes = 2;  // of a value, attention to feed-forward and back
};
Bytes LinkBytes(const HiddenState& state, int64_t tokens, int64_t layers);

// Step-3's rule: attention, feed-forward and network share a layer's part of a token's time.
Nanoseconds StageBudget(Nanoseconds token, int layers);
// Bytes a second that a link needs so that `tokens` go out and come back within `stage`.
double LinkForStage(const HiddenState& state, int64_t tokens, Nanoseconds stage);

}  // namespace waferline::timing
