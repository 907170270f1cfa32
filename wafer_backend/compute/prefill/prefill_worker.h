// Computes prompts: the KV of every layer, in chunks, and the logits after the last token. The
// GPU-like pool of the cloud: its memory is not a wafer's SRAM, but it is bounded too.
//
// Jobs are taken in the order of submission; one chunk may hold the end of one prompt and the
// beginning of the next. Chunks change nothing: any cut gives the same bits (law 4).
//
// Owner: a PrefillService. Thread: one. Bounds: Options::max_jobs jobs, Options::kv_bytes of pages.
// A finished job keeps its pages until Release.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <unordered_map>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "wafer_backend/api/values.h"
#include "wafer_backend/compute/link/frames.h"
#include "wafer_backend/compute/sampling/draw.h"
#include "wafer_backend/compute/shard/layer_stack.h"

namespace waferline::prefill {

struct PrefillOptions {
  int64_t page_tokens = 64;
  int64_t chunk_tokens = 256;             // at most this many in one step
  Bytes kv_bytes = Bytes(8'000'000'000);  // of pages at the same time
  size_t max_jobs = 1024;
  std::function<void()> between_layers;  // as shard::ShardOptions has it
};

struct PrefillJob {
  uint64_t id = 0;
  std::vector<TokenId> tokens;  // the prompt, then what was generated earlier
  uint32_t prompt_tokens = 0;
  bool prompt_logprobs = false;
  int32_t top_logprobs = -1;
  PromptVector vector = PromptVector::kNone;
  bool begun = false;  // some of its tokens are out
};

struct Prefilled {
  uint64_t id = 0;
  absl::Status status;
  std::vector<float> logits;                // after the last token; empty unless OK
  std::vector<TokenValue> prompt_logprobs;  // of prompt tokens 1 .. n-1, if asked for
  std::vector<float> vector;                // [hidden], if asked for
};

// A page of neighbouring layers, as one frame carries it.
struct KvPart {
  int64_t page = 0;
  shard::LayerRange layers;
};

class PrefillWorker {
 public:
  // InvalidArgument for options out of range. `model` holds all layers; `pool` may be shared.
  static absl::StatusOr<std::unique_ptr<PrefillWorker>> Create(
      std::shared_ptr<const shard::PackedModel> model, const PrefillOptions& options,
      kernels::ThreadPool* pool);

  // ResourceExhausted if there are too many jobs or their pages would not fit; InvalidArgument for
  // tokens outside the vocabulary or more of them than the context.
  absl::Status Submit(PrefillJob job);
  // Forgets the job at whatever stage; between chunks it costs nothing more.
  void Release(uint64_t id);

  bool HasWork() const { return !queue_.empty(); }
  int64_t waiting() const { return static_cast<int64_t>(queue_.size()); }  // jobs not yet finished
  // Computes up to `budget` tokens (at most chunk_tokens) of the jobs that came first; those that
  // are finished are appended.
  void RunChunk(int64_t budget, std::vector<Prefilled>* done);

  // What a shard of `range` needs of a finished job, in the order in which it is sent, at least one
  // part: of layers that see all positions all pages, of others those that the next position sees.
  std::vector<KvPart> KvParts(uint64_t id, shard::LayerRange range) const;
  // All but the frame's slot and `last`.
  void FillKvFrame(uint64_t id, const KvPart& part, link::KvFrame* frame) const;
  bool Has(uint64_t id) const { return jobs_.contains(id); }

  Bytes kv_held() const { return pages_.in_use(); }
  uint64_t computed_tokens() const { return computed_tokens_; }

 private:
  static constexpr Bytes kLargestKvFrame = Bytes(4 << 20);
  static constexpr int64_t kLogitRows = 16;  // logits computed at a time for prompt logprobs

  struct State {
    PrefillJob job;
    shard::SequencePages pages;
    int64_t done = 0;  // tokens computed
    std::vector<TokenValue> prompt_logprobs;
    std::vector<double> sums;  // [hidden], of the rows so far, for the mean
  };

  PrefillWorker(std::shared_ptr<const shard::PackedModel> model, const PrefillOptions& options,
                kernels::ThreadPool* pool);
  void TakePromptLogprobs(State* state, const float* hidden, int64_t first, int64_t rows);
  // Adds rows, in the order of their positions, to the mean.
  void AddToMean(State* state, const float* hidden, int64_t rows);
  // `last_row`: of the prompt.
  std::vector<float> VectorOf(const State& state, const float* last_row);

  const std::shared_ptr<const shard::PackedModel> model_;
  const PrefillOptions options_;
  shard::LayerStack stack_;
  shard::KvPool pages_;
  Bytes promised_;  // to all jobs, pages taken or not
  std::unordered_map<uint64_t, State> jobs_;
  std::deque<uint64_t> queue_;  // not yet finished, in order
  std::vector<shard::Run> runs_;
  std::vector<State*> part_;  // of each run
  std::vector<float> hidden_;
  std::vector<float> last_hidden_;
  std::vector<float> logits_;
  sampling::Workspace workspace_;
  uint64_t computed_tokens_ = 0;
};

}  // namespace waferline::prefill
