// Tokens a second of accelerators that prefill and decode in the same steps (in-flight batching
// with chunked prefill), with requests of one length that follow each other at once: a closed form.
//
// N sequences run; while each of them makes `generate` tokens, N prompts are prefilled. A step
// takes whole prompts up to `step_tokens` rows and one token of every running sequence, so of those
// `generate` steps S have prompts in them, S = N prompt / step_tokens but at least min(N,
// generate):
//
//   tokens/s = N generate / (S step(N and their share of the prompts) + (generate - S) step(N))
//
// With one user that is time to first token and then decoding; with many, every step is mixed. A
// sequence is admitted if memory holds it to its last token, as TensorRT-LLM does by default
// (GUARANTEED_NO_EVICT), so N is at most what memory, `max_sequences` and `step_tokens` allow.
// Pure; any thread; some microseconds.
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "wafer_backend/hardware/silicon/hardware.h"
#include "wafer_backend/hardware/timing/batch_costs.h"
#include "wafer_backend/hardware/timing/model_shape.h"

namespace waferline::timing {

struct ServingLoad {
  int64_t prompt = 1000, generate = 1000;
  int64_t users = 0;             // at once; 0: as many as run
  double memory_share = 0.9;     // of what the weights leave; TensorRT-LLM's and vLLM's default
  int64_t max_sequences = 2048;  // TensorRT-LLM's default
  int64_t step_tokens = 8192;    // TensorRT-LLM's default
};

struct ServingRate {
  int64_t sequences = 0;           // N
  double tokens_per_second = 0;    // of answers, all sequences
  double first_token_seconds = 0;  // of one prompt alone
  double token_seconds = 0;        // of a step that only decodes N sequences
};

// `memory_bytes`: of all devices together. ResourceExhausted if weights and one sequence do not
// fit.
absl::StatusOr<ServingRate> ServingRateOf(const BatchCosts& costs, double memory_bytes,
                                          const ServingLoad& load);

// Of a prompt in chunks of at most `step_tokens`.
double FirstTokenSeconds(const BatchCosts& costs, const ServingLoad& load);

}  // namespace waferline::timing
