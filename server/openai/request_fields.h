// The fields that completions and chat share, apart from sampling: which model, how many tokens,
// what the answer should look like, how urgent it is.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "server/openai/fields.h"
#include "server/openai/request.h"
#include "server/serving/limits.h"

namespace waferline::openai {

// NotFound with model_not_found, or an error at `model`. `model` may be absent where one model is
// served.
absl::StatusOr<std::shared_ptr<const text::ServedModel>> FindModel(
    Fields& fields, const text::ModelCatalog& catalog);

// Known here, not supported, whatever the kind of request.
void RefuseUnsupported(Fields& fields);

// max_tokens or max_completion_tokens; none if neither was sent.
std::optional<int64_t> ReadMaxTokens(Fields& fields, bool zero_allowed);

// n, stream, stream_options, return_token_ids, service_tier, stop, the `waferline` extension.
void ReadShape(Fields& fields, const Envelope& envelope, ResponseShape* shape);

// Of the `waferline` extension: arrival_ns, arrival_number, last_arrival.
std::optional<OwnArrival> ReadOwnArrival(Fields& fields);

// Everything of a request that does not differ between choices: tier, priority, cache_salt,
// deadline, queue_threshold, own arrival.
ValidRequest ReadPlacing(Fields& fields, const Envelope& envelope);

// One ValidRequest a choice: `pattern` with the prompt and a seed of its own. `wanted` is what the
// client asked for, `fallback` what it gets otherwise, cut to what the context leaves; with `clip`
// `wanted` is cut, too.
struct Expansion {
  ValidRequest pattern;
  std::optional<int64_t> wanted;
  int64_t fallback = 0;
  int64_t context = 0;
  bool clip = false;
  const char* prompt_field = "prompt";
  int64_t max_choices = serving::kMaxChoices;
};
absl::StatusOr<std::vector<ValidRequest>> Expand(const Expansion& expansion,
                                                 const ResponseShape& shape);

}  // namespace waferline::openai
