// kv_transfer_params of a request: which leg of a split prompt it is
// (server/serving/kv_handoffs.h).
#pragma once

#include "absl/status/status.h"
#include "server/openai/fields.h"
#include "server/openai/request.h"

namespace waferline::openai {

// Sets the leg of the request's only sequence, and in its shape what the answer hands over.
absl::Status ReadKvLeg(Fields& fields, const Envelope& envelope, ParsedRequest* parsed);

// {"do_remote_prefill":true,...}
void AppendKvParams(std::string& out, const serving::KvParams& params);

}  // namespace waferline::openai
