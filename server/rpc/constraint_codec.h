// A request's constraint from its wire form. Any thread.
#pragma once

#include "absl/status/statusor.h"
#include "proto/waferline/v1/inference.pb.h"
#include "wafer_backend/compute/grammar/compiler.h"

namespace waferline::rpc {

// InvalidArgument at `constraint.KIND`: none is given, or it cannot be read.
absl::StatusOr<grammar::GrammarSpec> DecodeConstraint(const v1::TextConstraint& message);

}  // namespace waferline::rpc
