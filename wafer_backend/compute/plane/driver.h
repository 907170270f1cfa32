// The loop that computes: takes what the engine wants from the board, batches one decode step over
// every sequence that has wanted but uncomputed tokens, gives the prefill pool its turn, and
// publishes values. Continuous batching: who joins or leaves between two steps changes nothing for
// the others.
//
// Owner: ComputePlane. Thread: one, which runs Run. Nothing is computed beyond what was wanted,
// beyond max_tokens, or after an end id.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <unordered_map>
#include <vector>

#include "wafer_backend/compute/kernels/thread_pool.h"
#include "wafer_backend/compute/plane/backend.h"
#include "wafer_backend/compute/plane/sequence.h"
#include "wafer_backend/compute/plane/speculator.h"

namespace waferline::plane {

class Driver {
 public:
  struct Options {
    int64_t max_batch = 64;  // sequences in one decode step
  };
  // What the driver works with; all outlive it.
  struct Parts {
    Backend* backend = nullptr;
    Speculator* speculator = nullptr;     // or none
    kernels::ThreadPool* pool = nullptr;  // spreads the sampling of a batch
    Board* board = nullptr;
    Waker* waker = nullptr;
  };
  Driver(const Options& options, const Parts& parts);

  void Run();  // until Board::stop

 private:
  // Rows of one sequence in the current step.
  struct Part {
    Sequence* sequence = nullptr;
    int64_t first_row = 0;
    int64_t rows = 0;
    std::vector<TokenId> draft;
    std::vector<TokenValue> values;
  };

  bool TakeTouched();  // false: stop
  void Meet(const std::shared_ptr<Sequence>& sequence);
  void Leave(Sequence* sequence);
  void Activate(Sequence* sequence);
  void ServeWaiting();
  void Count();
  void GiveSlotBack(Sequence* sequence);
  void Fail(Sequence* sequence, const absl::Status& status);
  void FailWhere(const absl::Status& status, bool (*affected)(Sequence::Stage));

  bool HandleEvents();
  void OnPrefilled(prefill::Prefilled* result);
  bool Runnable(const Sequence& sequence) const;
  bool AnyRunnable() const;
  bool DecodeStep();
  void ChooseParts();
  void Speculate();
  void AddRows(Part* part);
  void FailStep(const absl::Status& status);
  void SamplePart(Part* part, int worker);
  void Take(Sequence* sequence, const TokenValue& value);
  void PublishStep();

  const Options options_;
  Backend* const backend_;
  Speculator* const speculator_;
  kernels::ThreadPool* const pool_;
  Board* const board_;
  Waker* const waker_;

  std::unordered_map<uint64_t, std::shared_ptr<Sequence>> live_;  // by job
  std::vector<Sequence*> resident_;
  size_t first_of_step_ = 0;  // where the next step starts in resident_: nobody is always last
  std::deque<Sequence*> waiting_for_slot_;
  std::vector<uint32_t> free_slots_;

  std::vector<std::shared_ptr<Sequence>> touched_;
  BackendEvents events_;
  link::TokenFrame tokens_;
  link::LogitsFrame logits_;
  std::vector<Part> parts_;
  size_t part_count_ = 0;
  std::vector<DraftRequest> draft_requests_;
  std::vector<sampling::Workspace> workspaces_;  // one a worker
  PlaneCounters counters_;
};

}  // namespace waferline::plane
