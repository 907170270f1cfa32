// Guesses the next tokens of sequences cheaply, so that one decode step can check several at once.
// Interface; a guess changes how soon a token is known, never which one (speculator.h).
//
// Owner: the speculator; thread: the driver's.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "wafer_backend/api/prediction.h"
#include "wafer_backend/api/sampling.h"
#include "wafer_backend/base/ids.h"

namespace waferline::plane {

struct DraftRequest {
  uint64_t job = 0;
  std::span<const TokenId> text;                           // prompt and everything generated
  const SamplingSpec* sampling = nullptr;                  // how the real tokens will be drawn
  std::shared_ptr<const Prediction> prediction = nullptr;  // the client's; none if null
  uint32_t next_index = 0;                // of the first guessed token among the generated ones
  uint32_t max_tokens = 0;                // guesses wanted at most
  std::vector<TokenId>* draft = nullptr;  // empty unless an earlier drafter has filled it
};

class Drafter {
 public:
  virtual ~Drafter() = default;
  // Fills the drafts that are still empty, as far as it can.
  virtual void Draft(std::span<DraftRequest> requests) = 0;
  // The sequence is over.
  virtual void Forget(uint64_t job) = 0;
};

}  // namespace waferline::plane
