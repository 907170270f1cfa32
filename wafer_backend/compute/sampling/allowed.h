// What a constraint does to a row of logits. Plain function, any thread.
#pragma once

#include <span>

#include "wafer_backend/api/constraint.h"
#include "wafer_backend/compute/sampling/draw.h"

namespace waferline::sampling {

// All other tokens become kMasked; so does what is allowed and was masked already. Cost: a pass
// over the row, and less where nearly all tokens are allowed.
void KeepAllowed(const AllowedTokens& allowed, Workspace* workspace, std::span<float> logits);

}  // namespace waferline::sampling
