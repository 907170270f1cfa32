// Where servers of this API differ, as the configuration chooses. A value.
#pragma once

#include "server/openai/api_error.h"

namespace waferline::openai {

struct Dialect {
  ErrorShape error_shape = ErrorShape::kNested;
  // Refuses every field that has no effect; false: only misspelled ones, and the others are listed
  // in the header x-waferline-warnings.
  bool refuse_unknown_fields = false;
  // A stream that was not asked for usage has it in its finishing chunk, as Cerebras sends it.
  bool usage_at_finish = false;
  // max_tokens beyond what the context leaves is cut to that, with a word in x-waferline-warnings;
  // false: it is an error.
  bool clip_max_tokens = false;
};

}  // namespace waferline::openai
