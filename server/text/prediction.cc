#include "server/text/prediction.h"

namespace waferline::text {

std::shared_ptr<const Prediction> PredictionOf(std::string_view text,
                                               const model::Tokenizer& tokenizer) {
  if (text.empty()) return nullptr;
  return std::make_shared<const Prediction>(
      tokenizer.Encode(text, {.add_special = false, .parse_special = false}));
}

}  // namespace waferline::text
