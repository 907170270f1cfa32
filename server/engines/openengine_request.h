// openengine.v1's GenerateRequest read as a waferline.v1 request, which then goes the way of all
// requests. Pure; any thread.
#pragma once

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "proto/openengine/v1/generation.pb.h"
#include "proto/waferline/v1/inference.pb.h"
#include "server/engines/engine_facts.h"

namespace waferline::engines {

// InvalidArgument that names the field for what Waferline does not do: more than one sequence,
// prompts' log-probabilities, LoRA, media and the like. NotFound for another model.
absl::StatusOr<v1::GenerateRequest> ReadOpenEngineRequest(
    const openengine::v1::GenerateRequest& message, const EngineFacts& facts);

// Metadata openengine-priority (higher goes first) and openengine-target-dp-rank, "" if absent.
absl::Status ReadOpenEngineMetadata(const std::string& priority, const std::string& rank,
                                    v1::GenerateRequest* request);

// An error about a field of waferline.v1, about openengine's field instead.
absl::Status InOpenEngineNames(const absl::Status& status);

// False: the client makes texts itself (extra.detokenize).
bool WantsText(const openengine::v1::GenerateRequest& message);

}  // namespace waferline::engines
