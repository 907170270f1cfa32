#include "server/rpc/rpc_status.h"

#include "absl/strings/str_cat.h"
#include "proto/google/rpc/error_details.pb.h"
#include "wafer_backend/base/field_error.h"
#include "wafer_backend/base/retry_hint.h"
#include "wafer_backend/base/strings.h"

namespace waferline::rpc {
namespace {

constexpr char kDomain[] = "waferline";

}  // namespace

absl::Status FieldError(std::string_view field, std::string_view description) {
  return WithField(absl::InvalidArgumentError(absl::StrCat(Absl(field), ": ", Absl(description))),
                   field);
}

google::rpc::Status ToRpcStatus(const absl::Status& status, const ErrorContext& context) {
  google::rpc::Status result;
  result.set_code(static_cast<int>(status.code()));
  result.set_message(std::string(Std(status.message())));
  if (status.ok()) return result;

  google::rpc::ErrorInfo info;
  info.set_reason(absl::StatusCodeToString(status.code()));
  info.set_domain(kDomain);
  result.add_details()->PackFrom(info);

  if (const std::string field = FieldOf(status); !field.empty()) {
    google::rpc::BadRequest bad;
    auto* violation = bad.add_field_violations();
    violation->set_field(field);
    violation->set_description(std::string(Std(status.message())));
    result.add_details()->PackFrom(bad);
  }
  const Nanoseconds retry_after = context.retry_after > Nanoseconds(0)
                                      ? context.retry_after
                                      : RetryAfterOf(status).value_or(Nanoseconds(0));
  if (retry_after > Nanoseconds(0)) {
    google::rpc::RetryInfo retry;
    retry.mutable_retry_delay()->set_seconds(retry_after / Seconds(1));
    retry.mutable_retry_delay()->set_nanos(
        static_cast<int32_t>(retry_after.count() % 1'000'000'000));
    result.add_details()->PackFrom(retry);
  }
  if (!context.request_id.empty()) {
    google::rpc::RequestInfo request;
    request.set_request_id(context.request_id);
    result.add_details()->PackFrom(request);
  }
  return result;
}

grpc::Status ToGrpcStatus(const absl::Status& status, const ErrorContext& context) {
  if (status.ok()) return grpc::Status::OK;
  const google::rpc::Status details = ToRpcStatus(status, context);
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), details.message(),
                      details.SerializeAsString());
}

}  // namespace waferline::rpc
