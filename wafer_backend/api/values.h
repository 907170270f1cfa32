// The compute plane as the scheduler sees it: what each token is. When it leaves is not its
// business.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "wafer_backend/api/prediction.h"
#include "wafer_backend/api/sampling.h"
#include "wafer_backend/base/ids.h"
#include "wafer_backend/base/units.h"

namespace waferline {

struct TokenLogprob {
  TokenId id = 0;
  float logprob = 0;
};

// One generated token. Log-probabilities are of the model's own distribution (softmax of the raw
// logits, before temperature, penalties and bias) and filled as SamplingSpec::top_logprobs asks.
struct TokenValue {
  TokenId id = 0;
  float logprob = 0;
  std::vector<TokenLogprob> top;
};

struct SequenceSpec {
  std::shared_ptr<const std::vector<TokenId>> prompt;  // 1 .. context tokens
  // Tokens generated earlier, when a sequence is prefilled again after its KV was lost; its next
  // token continues the random stream and the penalties as if nothing had happened.
  std::vector<TokenId> generated;
  SamplingSpec sampling;
  // What the client expects; changes how soon values are known, never what they are. None if null.
  std::shared_ptr<const Prediction> prediction = nullptr;
  uint32_t max_tokens =
      0;  // generated tokens at most, those in `generated` included; bounds KV and run-ahead
};

// What one shard's SRAM holds, in bytes; the scheduler leases KV from `kv_capacity` on every shard
// before anything moves.
struct ShardMemory {
  Bytes capacity;     // SRAM of the shard
  Bytes weights;      // its layers' weights
  Bytes buffers;      // activations and working space, fixed
  Bytes kv_per_page;  // the most that KV of `page_tokens` positions takes on the shard's layers
  Tokens page_tokens;
  Bytes kv_capacity() const { return capacity - weights - buffers; }
};

// Wakes the thread that waits for values. Any thread; cheap; may be called when there is no new
// value.
class Waker {
 public:
  virtual void Wake() = 0;

 protected:
  ~Waker() = default;
};

// Real shards, or a synthetic deterministic text for models whose weights are not here, or the
// lengths of a trace.
//
// Owner: server/app. Thread: all calls from the engine's thread, none blocks; work happens
// elsewhere and new values are announced through the Waker given at construction. A sequence passes
// Prefill -> Activate -> Want* -> End, and End may come at any point (cancelled, lost). The caller
// has leased room for the whole sequence before Prefill.
class ValueSource {
 public:
  enum class State { kPending, kReady, kFailed };

  virtual ~ValueSource() = default;

  // False: it only has lengths. Every token is ready at once and means nothing, so that Want and
  // Look are not called for those between a sequence's first and last. Constant.
  virtual bool has_values() const { return true; }

  // Computes the KV of the prompt (and of spec.generated) in the prefill pool, and the next token's
  // value.
  virtual void Prefill(SequenceId id, SequenceSpec spec) = 0;

  // Moves the sequence's KV to the decode shards, each its own layers' pages, and releases it at
  // the source. May be called before the prefill has finished: then it happens as soon as it has.
  virtual void Activate(SequenceId id) = 0;

  // Values of generated tokens with index < `count` will be needed; computing more is allowed up to
  // spec.max_tokens.
  virtual void Want(SequenceId id, uint32_t count) = 0;

  // The value of generated token `index` (0 is the first after the prompt; indices given by
  // spec.generated are not asked for). kReady: stays valid until the next call on this object.
  // kFailed: see Failure.
  virtual State Look(SequenceId id, uint32_t index, const TokenValue** value) = 0;
  // Why the sequence cannot go on. What a lost worker had is computed again below this interface,
  // and its values are pending meanwhile. Unavailable, with a retry hint (base/retry_hint.h): that
  // took too long or too many tries, and trying again is the client's. Else a fault of the
  // sequence.
  virtual absl::Status Failure(SequenceId id) = 0;

  // Log-probabilities of prompt tokens 1..n-1, if spec asked for them; valid after token 0 is
  // ready, until End.
  virtual const std::vector<TokenValue>* PromptLogprobs(SequenceId id) = 0;

  // The prompt's vector, if spec asked for one, valid as long; null: this source computes none.
  virtual const std::vector<float>* PromptVectorOf(SequenceId id) { return nullptr; }

  // The sequence is over: its KV pages are released wherever they are.
  virtual void End(SequenceId id) = 0;

  // One entry a decode shard. Constant.
  virtual std::vector<ShardMemory> memory() const = 0;
};

}  // namespace waferline
