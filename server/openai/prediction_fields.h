// `prediction`: what a client expects as the answer. Pure function; any thread.
#pragma once

#include <memory>

#include "server/openai/fields.h"
#include "server/text/served_model.h"
#include "wafer_backend/api/prediction.h"

namespace waferline::openai {

// {"type": "content", "content": a text, or a list of text parts}; null if it is not there or
// empty. A text that cannot fit the context is an error.
std::shared_ptr<const Prediction> ReadPrediction(Fields& fields, const text::ServedModel& model);

}  // namespace waferline::openai
