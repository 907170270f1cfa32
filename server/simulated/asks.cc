#include "server/simulated/asks.h"

#include "server/simulated/tiny_model.h"
#include "wafer_backend/base/seeded_stream.h"

namespace waferline::simulated {

ValidRequest AskNumber(size_t index) {
  SeededStream draws = SeededStream(4711).Fork(index);
  std::vector<TokenId> prompt(1 + draws.Next() % 30);
  for (TokenId& id : prompt) id = static_cast<TokenId>(draws.Next() % TinyModel::kVocabulary);
  ValidRequest request;
  request.model = "tiny";
  request.prompt = std::make_shared<const std::vector<TokenId>>(std::move(prompt));
  request.max_tokens = static_cast<uint32_t>(4 + draws.Next() % 28);
  request.sampling.seed = draws.Next();
  request.sampling.temperature = index % 3 == 0 ? 0.0f : 0.9f;
  if (index % 2 == 0) request.sampling.top_k = 12;
  if (index % 4 == 1) request.sampling.repetition_penalty = 1.2f;
  if (index % 5 == 2) request.sampling.end_ids = {3, 17};
  return request;
}

}  // namespace waferline::simulated
