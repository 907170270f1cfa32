// The sampling part of a waferline.v1 request, range-checked. Pure; any thread.
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "proto/waferline/v1/inference.pb.h"
#include "server/text/served_model.h"
#include "wafer_backend/api/sampling.h"

namespace waferline::rpc {

// Reads `sampling`, `stop` (but for strings and max_tokens) and `output`. A FieldError names the
// field and its range.
absl::StatusOr<SamplingSpec> DecodeSampling(const v1::GenerateRequest& message,
                                            uint64_t fallback_seed, const text::ServedModel& model);

}  // namespace waferline::rpc
