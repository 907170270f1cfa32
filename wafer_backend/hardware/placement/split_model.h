// A model whose attention runs on one side and whose feed-forward parts run on the other, as one
// decode device: what a step over a batch takes, how long each side works in it, what crosses.
// Pure; any thread.
//
// The batch is dealt out to the micro-batches as evenly as it goes; all are timed as the largest
// one is. A step ends when the last micro-batch is back from the last layer and has its logits.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "wafer_backend/hardware/placement/split_side.h"
#include "wafer_backend/hardware/timing/split_step.h"

namespace waferline::placement {

struct SplitModel {
  std::vector<uint8_t> kind_of;  // of each layer, as in timing::ModelLayers
  SplitSide attention, ffn;
  timing::HiddenState state;
  double link_bytes_per_second = 1.5e11;  // each way
  Nanoseconds link_latency = Microseconds(5);
  int micro_batches = 3;  // at most; never more than there are sequences

  int devices() const { return attention.devices + ffn.devices; }
  int wafers() const {
    return (attention.wafers ? attention.devices : 0) + (ffn.wafers ? ffn.devices : 0);
  }
  double watts() const { return attention.watts + ffn.watts; }
  double usd_per_hour() const { return attention.usd_per_hour + ffn.usd_per_hour; }
};

// The batch of one step: `width` tokens of each of `sequences` sequences >= 1.
struct SplitLoad {
  int sequences = 1;
  int64_t positions = 0;  // cached, of all sequences together
  int width = 1;
};

// How many times as long things take, by faults.
struct SplitSlowdown {
  double attention = 1, ffn = 1, sending = 1;
};

enum class SplitBound : uint8_t { kAttention, kFfn, kLink, kLatency };

struct SplitTimes {
  int micro_batches = 1;
  std::vector<timing::SplitLayer> kinds;  // of one micro-batch, by kind of layer
  Nanoseconds output;                     // logits of the last tokens
  Nanoseconds step;
  // For how long each side, or the mean layer's part of it, and the fuller direction of the link
  // work.
  Nanoseconds attention_busy, ffn_busy, link_busy;
  Bytes crossed;

  // What the step waits for: the side or the link that works almost all of it, else the way there
  // and back.
  SplitBound bound() const;
};

SplitTimes TimesOf(const SplitModel& model, const SplitLoad& load,
                   const SplitSlowdown& slowdown = {});

}  // namespace waferline::placement
