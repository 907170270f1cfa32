// A model on several chains of remote shards, each with prefill workers of its own and a compute
// plane that drives it. A sequence is computed on one of them: on that with the fewest sequences
// among those that are not out. Which one changes neither a token (law 4) nor an instant.
//
// A sequence whose chain is out moves to another one that is not: it is prefilled there from its
// prompt and tokens, at most kMaxMoves times. Without such a chain it waits for its own, as with
// one chain. Each chain must have room for all sequences of the model: memory() lists the shards of
// all.
//
// A chain may join while others serve: sequences that begin, or are stranded, go there too.
//
// Owner: server/app. Threads: as ComputePlane's, Join on any; each chain has a driver thread.
#pragma once

#include <array>
#include <atomic>
#include <deque>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "absl/status/statusor.h"
#include "wafer_backend/compute/plane/compute_plane.h"

namespace waferline::plane {

class ChainedSource : public ComputedSource {
 public:
  static constexpr uint32_t kMaxMoves = 8;  // of a sequence
  static constexpr size_t kMaxChains = 64;

  // Connects to each chain in turn; all must be up. `waker` must outlive the source. Errors: those
  // of ComputePlane::Create, naming the chain. 1 to kMaxChains entries.
  static absl::StatusOr<std::unique_ptr<ChainedSource>> Create(
      const std::vector<PlaneOptions>& chains, Waker* waker);
  ~ChainedSource() override;

  // Connects to one more chain, which has room for all sequences, too. Waits as Create does; one
  // call at a time. Errors: as Create's; ResourceExhausted beyond kMaxChains.
  absl::Status Join(const PlaneOptions& options);

  void Prefill(SequenceId id, SequenceSpec spec) override;
  void Activate(SequenceId id) override;
  void Want(SequenceId id, uint32_t count) override;
  State Look(SequenceId id, uint32_t index, const TokenValue** value) override;
  absl::Status Failure(SequenceId id) override;
  const std::vector<TokenValue>* PromptLogprobs(SequenceId id) override;
  const std::vector<float>* PromptVectorOf(SequenceId id) override;
  void End(SequenceId id) override;
  std::vector<ShardMemory> memory() const override;
  // Sums; an outage only if no chain is left.
  PlaneCounters counters() const override;

 private:
  // Remembers that something changed on a chain, and wakes the engine.
  class ChangeWaker final : public Waker {
   public:
    explicit ChangeWaker(Waker* engine) : engine_(engine) {}
    void Wake() override {
      changed_ = true;
      engine_->Wake();
    }
    bool TakeChanged() { return changed_.exchange(false); }

   private:
    Waker* const engine_;
    std::atomic<bool> changed_{false};
  };
  struct Routed {
    SequenceSpec spec;  // as its chain has it: with what earlier chains generated
    size_t chain = 0;
    uint32_t moves = 0;
    uint32_t first = 0;           // index of the first value that the engine asks for
    std::deque<TokenValue> kept;  // values of earlier chains, from `first`
    bool activated = false;
    uint32_t wanted = 0;
    // Of the first chain that computed a value; none: the chain's.
    std::optional<std::vector<TokenValue>> prompt_logprobs;
    std::optional<std::vector<float>> prompt_vector;
  };

  explicit ChainedSource(Waker* engine) : waker_(engine) {}
  // The chain with the fewest sequences among those that are not out; none: all are.
  std::optional<size_t> Choose() const;
  void MoveStranded();
  void Move(SequenceId id, Routed* routed, size_t to);
  // Takes over what the sequence's chain has found.
  void Keep(SequenceId id, Routed* routed);

  ChangeWaker waker_;
  // The first count_ are there; a chain never changes once it is.
  std::array<std::unique_ptr<ComputePlane>, kMaxChains> chains_;
  std::atomic<size_t> count_{0};
  std::array<size_t, kMaxChains> sequences_on_{};
  std::unordered_map<SequenceId, Routed> sequences_;
  std::atomic<uint64_t> moved_{0};
};

}  // namespace waferline::plane
