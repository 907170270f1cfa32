// What a layer stack calls for the parts of its layers that workers have: experts or feed-forward
// parts. The shard chooses the experts and adds up what they give, by rising index, so a token's
// sum does not depend on where its experts are; a feed-forward part is the same sum in the same
// order wherever it is computed (law 4).
//
// Owner: the shard; thread: the shard's.
#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <vector>

#include "wafer_backend/compute/kernels/experts.h"
#include "wafer_backend/compute/shard/feed_forward.h"
#include "wafer_backend/compute/shard/worker_links.h"

namespace waferline::shard {

// The workers of `links` have all experts that the shard does not have, each once.
class OtherExperts : public kernels::ExpertsElsewhere {
 public:
  OtherExperts(WorkerLinks* links, int64_t width);

  void Start(int64_t layer, std::span<const int64_t> begin, const float* rows) override;
  void Finish(float* rows) override;

 private:
  WorkerLinks* const links_;
  link::LayerRowsFrame frame_;
  std::vector<bool> pending_;       // each worker's answer
  std::span<const int64_t> begin_;  // from Start to Finish
};

// The workers of `links` have the feed-forward parts of all layers of `range`, each once.
class OtherFeedForward : public FeedForwardElsewhere {
 public:
  OtherFeedForward(WorkerLinks* links, LayerRange range, int64_t width);

  void Start(int64_t layer, const float* x, int64_t rows) override;
  void Finish(float* y) override;

 private:
  WorkerLinks* const links_;
  const LayerRange range_;
  std::vector<size_t> worker_of_;  // each layer of the range
  link::LayerRowsFrame frame_;
  std::deque<size_t> pending_;  // workers whose answers are awaited, oldest first
};

}  // namespace waferline::shard
