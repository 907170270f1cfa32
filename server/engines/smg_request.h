// vllm.grpc.engine's GenerateRequest, as SMG's router sends it, read as a waferline.v1 request,
// which then goes the way of all requests. Pure; any thread.
#pragma once

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "proto/smg/vllm_engine.pb.h"
#include "proto/waferline/v1/inference.pb.h"
#include "server/engines/engine_facts.h"

namespace waferline::engines {

// InvalidArgument that names the field for what Waferline does not do: more than one sequence,
// prompts' log-probabilities, media and the like.
absl::StatusOr<v1::GenerateRequest> ReadSmgRequest(
    const ::vllm::grpc::engine::GenerateRequest& message, const EngineFacts& facts);

// An error about a field of waferline.v1, about this protocol's field instead.
absl::Status InSmgNames(const absl::Status& status);

}  // namespace waferline::engines
