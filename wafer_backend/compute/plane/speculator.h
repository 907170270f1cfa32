// Decides how many tokens to guess for which sequence, and learns from how many stood.
//
// A guessed token is fed together with the token before it, in the same step; the model's logits
// after each row are then sampled in order, each with its own counter-keyed draw, and the guess
// stands only if that draw gives the very same token. Since a row's logits do not depend on the
// other rows of the step (law 4), the stream is bit for bit what it would have been without
// guessing.
//
// A row costs time also when its guess is wrong, so a sequence whose guesses fail gets none for a
// while, twice as long each time, and no sequence gets any while many share a step.
//
// Owner: the driver; thread: its own.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "absl/status/statusor.h"
#include "wafer_backend/compute/kernels/thread_pool.h"
#include "wafer_backend/compute/model/gguf.h"
#include "wafer_backend/compute/plane/drafter.h"

namespace waferline::plane {

// What sequences without a prediction of their client are guessed by.
struct SpeculationOptions {
  bool lookup = false;                           // from the sequence's own text
  std::shared_ptr<const model::GgufFile> draft;  // by a small model; none if null
  uint32_t max_tokens = 8;                       // guessed for a sequence in one step
  uint32_t max_sequences = 8;                    // none is guessed for if more share the step
};

class Speculator {
 public:
  // InvalidArgument if the draft model does not fit. `pool` must outlive this.
  static absl::StatusOr<std::unique_ptr<Speculator>> Create(const SpeculationOptions& options,
                                                            int64_t vocabulary,
                                                            kernels::ThreadPool* pool);

  // Fills the drafts; each request's `max_tokens` is what the caller has use for.
  void Propose(std::span<DraftRequest> requests);
  void Learn(uint64_t job, uint32_t drafted, uint32_t accepted);
  void Forget(uint64_t job);

 private:
  struct Record {
    uint32_t length = 2;   // guesses next time
    uint32_t resting = 0;  // steps without any
    uint32_t penalty = 0;  // the last rest
  };
  explicit Speculator(const SpeculationOptions& options) : options_(options) {}

  const SpeculationOptions options_;
  std::vector<std::unique_ptr<Drafter>> drafters_;  // the cheaper first
  std::unordered_map<uint64_t, Record> records_;
};

}  // namespace waferline::plane
