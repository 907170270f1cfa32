// waferline.v1's messages, as a client writes and reads them. Pure.
#pragma once

#include <string>

#include "client/sdk/token_client.h"
#include "proto/waferline/v1/inference.pb.h"

namespace waferline::sdk {

v1::GenerateRequest RequestFor(const GenerateSpec& spec);

// "stop", "length", "tool_calls"; what ended the answer otherwise.
std::string ReasonText(v1::FinishReason reason);

}  // namespace waferline::sdk
