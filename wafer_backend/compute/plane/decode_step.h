// One decode step after another: which sequences take part, what is fed for each (its last token
// and, with speculation, guesses of the next ones), and the tokens drawn from the logits. Batching
// is continuous: sequences that join or leave between two steps change nothing for the others.
//
// Owner: the driver; thread: its own, which spreads the drawing over the pool.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "wafer_backend/compute/kernels/thread_pool.h"
#include "wafer_backend/compute/plane/backend.h"
#include "wafer_backend/compute/plane/compute_sequence.h"
#include "wafer_backend/compute/plane/speculator.h"

namespace waferline::plane {

class DecodeStep {
 public:
  // All outlive it; speculator may be null.
  struct Parts {
    Backend* backend = nullptr;
    Speculator* speculator = nullptr;
    kernels::ThreadPool* pool = nullptr;
  };
  // max_batch: sequences in one step.
  DecodeStep(int64_t max_batch, const Parts& parts);

  // One sequence's part of the step.
  struct Share {
    ComputeSequence* sequence = nullptr;
    int64_t first_row = 0;
    int64_t rows = 0;
    std::vector<TokenId> draft;
    std::vector<TokenValue> values;  // drawn by Run: at least one, unless it failed
    bool finite = true;              // false: its logits were no numbers, the sequence cannot go on
  };

  // Chooses from the sequences that are runnable. False: there are none.
  bool Choose(std::span<ComputeSequence* const> resident);
  // Computes the step; every chosen sequence then has its new tokens, or failed. On an error of the
  // backend none has.
  absl::Status Run();
  // Of the last Choose; valid until the next.
  std::span<Share> shares() { return {shares_.data(), share_count_}; }
  // Adds what the last step did, and teaches the speculator.
  void Count(PlaneCounters* counters);

 private:
  void Speculate();
  void AddRows(Share* share);
  void Draw(Share* share, int worker);

  const int64_t max_batch_;
  const Parts parts_;
  size_t next_ = 0;  // where the next step starts among the resident, so that none is always last
  std::vector<Share> shares_;  // kept for their memory
  size_t share_count_ = 0;
  link::TokenFrame tokens_;
  link::LogitsFrame logits_;
  std::vector<DraftRequest> draft_requests_;
  std::vector<sampling::Workspace> workspaces_;  // one a worker
};

}  // namespace waferline::plane
