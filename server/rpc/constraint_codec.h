// A request's constraint from its wire form. Any thread.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "proto/waferline/v1/inference.pb.h"
#include "server/text/served_model.h"
#include "wafer_backend/api/constraint.h"

namespace waferline::rpc {

// InvalidArgument at `constraint.KIND`: none is given, or it cannot be honoured (says why).
absl::StatusOr<std::shared_ptr<const TokenConstraint>> DecodeConstraint(
    const v1::TextConstraint& message, const text::ServedModel& model);

}  // namespace waferline::rpc
