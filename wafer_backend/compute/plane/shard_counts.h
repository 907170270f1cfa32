// What the shards of a place in a chain have counted, over all their processes: each of them counts
// from nothing, so their reports fall where a metric may not.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>

#include "wafer_backend/compute/link/frames.h"

namespace waferline::plane {

class ShardCounts {
 public:
  // A report of the place's shard, a process that says who it is by `incarnation`: what another
  // counted before its first report does not belong here. Its counts become the sums of the place.
  void Add(uint64_t incarnation, link::MemoryFrame* report) {
    if (std::exchange(incarnation_, incarnation) != incarnation) last_ = *report;
    const link::MemoryFrame now = *report;
    for (const auto field : kFields) {
      sums_.*field += now.*field - std::min(last_.*field, now.*field);
      report->*field = sums_.*field;
    }
    sums_.expert_tokens.resize(std::max(sums_.expert_tokens.size(), now.expert_tokens.size()));
    last_.expert_tokens.resize(sums_.expert_tokens.size());
    for (size_t e = 0; e < now.expert_tokens.size(); ++e) {
      const uint64_t tokens = now.expert_tokens[e];
      sums_.expert_tokens[e] += tokens - std::min(last_.expert_tokens[e], tokens);
    }
    report->expert_tokens = sums_.expert_tokens;
    last_ = now;
  }
  // Nothing else of a report is set.
  const link::MemoryFrame& sums() const { return sums_; }

 private:
  static constexpr uint64_t link::MemoryFrame::*kFields[] = {
      &link::MemoryFrame::sent_frames,    &link::MemoryFrame::sent_payload,
      &link::MemoryFrame::sent_framing,   &link::MemoryFrame::worker_frames,
      &link::MemoryFrame::worker_payload, &link::MemoryFrame::worker_framing};

  uint64_t incarnation_ = 0;
  link::MemoryFrame last_;  // as it came
  link::MemoryFrame sums_;
};

}  // namespace waferline::plane
