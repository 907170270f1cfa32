// What one layer, or half of one, costs a machine that computes several sequences' tokens together:
// a sum of terms, each with what it grows with. The same terms describe a GPU, which reads a
// layer's weights once for all tokens, a pipeline of SRAM chips, and a wafer's region, which keeps
// each token as long as the last one. Plain values; pure; any thread.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "wafer_backend/hardware/silicon/hardware.h"
#include "wafer_backend/hardware/timing/model_shape.h"

namespace waferline::timing {

// `width` tokens each of `sequences` sequences (more than one: a draft to verify), which have
// `positions` cached positions together.
struct MicroBatch {
  double sequences = 0;
  double positions = 0;
  int width = 1;
};

// What a step computes of a layer: `rows` tokens of `sequences` sequences pass the matrices; of
// attention, `positions` cached ones are read and `pairs` (query, key) products are made. Decoded
// tokens and chunks of prompts add up.
struct Rows {
  double rows = 0;
  double sequences = 0;
  double positions = 0;
  double pairs = 0;

  void Add(const MicroBatch& batch);
  // `fresh` tokens of a prompt of which `before` are cached.
  void AddChunk(double fresh, double before);
};

// Seconds = start + max(weights, arithmetic) + max(KV, scores) + rows between devices: the matrices
// and attention follow one another, each a roofline (Williams, Waterman, Patterson, CACM 2009).
struct SideWork {
  double start_seconds = 0;              // once, whatever the batch
  double weight_seconds = 0;             // reading all weights but those of routed experts
  double expert_seconds = 0;             // reading those of all routed experts
  double expert_share = 1;               // of these, what one token meets
  std::vector<double> expert_chances{};  // that a token meets each; empty: the share each
  double position_read_seconds = 0;      // reading the KV of a position
  double token_seconds = 0;              // arithmetic of a token
  double position_seconds = 0;           // ... with a position
  double row_link_seconds = 0;           // between devices, a token
  int64_t window = 0;                    // positions that a token sees at most; 0: all

  // Of the experts, those are read that a token of the batch meets, tokens' choices taken as
  // independent: of each 1 - (1 - chance)^tokens.
  double At(const Rows& rows) const;
  double At(const MicroBatch& batch) const;
};

// `devices` accelerators that share all layers, or, where the file says that chips are passed one
// after another (`chip_hop_seconds`), each layer on devices / layers of them. Matrices run at the
// rate of the weights' type, attention at FP16's.
struct Holding {
  int devices = 1;
  int64_t layers = 1;  // that share the chips
  int64_t hidden = 0;  // values of a token between devices, 2 B each
  double bytes_per_weight = 2;
  double bytes_per_kv_value = 2;
};
// Of a pipeline of chips; fewer than one if several layers share a chip.
double ChipsALayer(const Holding& holding);
// Between devices each half of a layer ends in an allreduce: 2 (n - 1) / n of its bytes each way
// (ring: Patarasuk, Yuan, JPDC 2009).
SideWork WorkOf(const LayerKind& kind, const silicon::AcceleratorSpec& device,
                const Holding& holding);
// The product with the output matrix.
SideWork OutputWorkOf(const ModelSizes& shape, const silicon::AcceleratorSpec& device,
                      const Holding& holding);

}  // namespace waferline::timing
