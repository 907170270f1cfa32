// The fields of a request that say how tokens are drawn and where a text ends; the same for
// completions and chat.
#pragma once

#include <string>
#include <vector>

#include "server/openai/fields.h"
#include "server/text/served_model.h"
#include "wafer_backend/api/sampling.h"

namespace waferline::openai {

// temperature, top_p, top_k, min_p, the penalties, logit_bias, seed, min_tokens, ignore_eos,
// stop_token_ids. Errors are left in `fields`. `fallback_seed` and
// the temperature of `model` are used if the request names none.
SamplingSpec ReadSampling(Fields& fields, const text::ServedModel& model, uint64_t fallback_seed);

// stop: one string or up to serving::kMaxStops.
std::vector<std::string> ReadStop(Fields& fields);

// Choice `index` of n draws from a stream of its own; choice 0 from the request's, so that n = 1
// gives the first of n.
uint64_t SeedOfChoice(uint64_t seed, int index);

}  // namespace waferline::openai
