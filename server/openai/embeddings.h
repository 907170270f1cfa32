// /v1/embeddings: a vector of each text, which the model computes as it reads a prompt: the mean of
// its hidden states after the output norm, or the last (the field `pooling`; the answer says
// which), scaled to length 1. The same bits whatever else is computed with it.
//
// Pure; any thread. NotFound, as of a model that is not served: the model has no weights. Else
// InvalidArgument at the field.
#pragma once

#include <string_view>

#include "absl/status/statusor.h"
#include "server/openai/request.h"

namespace waferline::openai {

absl::StatusOr<ParsedRequest> ParseEmbeddings(std::string_view body, const Envelope& envelope,
                                              const text::ModelCatalog& catalog);

}  // namespace waferline::openai
