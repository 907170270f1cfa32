// The one place where faults become gRPC codes. absl's and gRPC's codes have the same numbers; what
// is added here are google.rpc details that programs act on:
//   BadRequest  which field is wrong    (what FieldOf says)
//   RetryInfo   when to come back       (if it is known)
//   ErrorInfo   why, domain "waferline" (always)
//   RequestInfo which request           (if it has an id)
// Any thread.
#pragma once

#include <grpcpp/support/status.h>

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "proto/google/rpc/status.pb.h"
#include "wafer_backend/base/units.h"

namespace waferline::rpc {

// InvalidArgument that knows its field ("sampling.top_p"); `description` says what it wants.
absl::Status FieldError(std::string_view field, std::string_view description);
struct ErrorContext {
  Nanoseconds retry_after;  // 0: not known, or a retry does not help
  std::string request_id;
};

// OK stays OK, without details.
grpc::Status ToGrpcStatus(const absl::Status& status, const ErrorContext& context = {});
// What the details of the former hold.
google::rpc::Status ToRpcStatus(const absl::Status& status, const ErrorContext& context = {});

}  // namespace waferline::rpc
