// A prediction as a page of HTML: every figure with its interval, where a token's time goes, what
// moves the speed, and the model on its wafers. Pure.
#pragma once

#include <string>

#include "client/cli/wafer/model_flags.h"

namespace waferline::cli {

std::string PredictionPage(const ModelOnWafers& it, const placement::Prediction& prediction);

}  // namespace waferline::cli
