// Predicted outputs as every protocol takes them. Pure function.
#pragma once

#include <memory>
#include <string_view>

#include "wafer_backend/api/prediction.h"
#include "wafer_backend/compute/model/tokenizer.h"

namespace waferline::text {

// A text that the answer is expected to be; null if it is empty. Names of control tokens stay text.
std::shared_ptr<const Prediction> PredictionOf(std::string_view text,
                                               const model::Tokenizer& tokenizer);

}  // namespace waferline::text
