// Events of waferline.v1 as openengine.v1's. Pure; any thread.
#pragma once

#include <string>
#include <vector>

#include "proto/openengine/v1/generation.pb.h"
#include "proto/waferline/v1/inference.pb.h"
#include "wafer_backend/base/ids.h"

namespace waferline::engines {

// What one request wants to see.
struct OpenEngineForm {
  std::string request_id;
  bool text = true;
  std::vector<TokenId> model_ends;  // stop match eos, others are the request's own
};

// Tokens give one message; the end one or two, of which the last is terminal and has the usage:
// finished, prefill_ready if the prompt is handed over, or error.
std::vector<openengine::v1::GenerateResponse> OpenEngineEvents(const v1::GenerateResponse& event,
                                                               const OpenEngineForm& form);

}  // namespace waferline::engines
