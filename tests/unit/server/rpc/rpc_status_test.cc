#include "server/rpc/rpc_status.h"

#include <catch2/catch.hpp>
#include <optional>
#include <string>

#include "proto/google/rpc/error_details.pb.h"
#include "server/rpc/call_metadata.h"

namespace waferline::rpc {
namespace {

template <typename Detail>
std::optional<Detail> Find(const grpc::Status& status) {
  google::rpc::Status details;
  REQUIRE(details.ParseFromString(status.error_details()));
  CHECK(details.code() == static_cast<int>(status.error_code()));
  CHECK(details.message() == status.error_message());
  for (const auto& any : details.details()) {
    Detail detail;
    if (any.UnpackTo(&detail)) return detail;
  }
  return std::nullopt;
}

TEST_CASE("every code keeps its number and its message") {
  for (int code = 1; code <= 16; ++code) {
    const grpc::Status status = ToGrpcStatus(absl::Status(absl::StatusCode(code), "why"));
    CHECK(static_cast<int>(status.error_code()) == code);
    CHECK(status.error_message() == "why");
    const auto info = Find<google::rpc::ErrorInfo>(status);
    REQUIRE(info.has_value());
    CHECK(info->domain() == "waferline");
    CHECK(info->reason() == absl::StatusCodeToString(absl::StatusCode(code)));
  }
  CHECK(ToGrpcStatus(absl::OkStatus()).ok());
  CHECK(ToGrpcStatus(absl::OkStatus()).error_details().empty());
}

TEST_CASE("a wrong field is a field violation") {
  const grpc::Status status = ToGrpcStatus(FieldError("sampling.top_p", "must be at most 1"));
  CHECK(status.error_code() == grpc::StatusCode::INVALID_ARGUMENT);
  const auto bad = Find<google::rpc::BadRequest>(status);
  REQUIRE(bad.has_value());
  REQUIRE(bad->field_violations_size() == 1);
  CHECK(bad->field_violations(0).field() == "sampling.top_p");
  CHECK(bad->field_violations(0).description() == "sampling.top_p: must be at most 1");
  CHECK_FALSE(Find<google::rpc::RetryInfo>(status).has_value());
}

TEST_CASE("a retry hint keeps its nanoseconds, and is absent where a retry does not help") {
  const grpc::Status status =
      ToGrpcStatus(absl::UnavailableError("full"), {.retry_after = Nanoseconds(3'000'000'007)});
  const auto retry = Find<google::rpc::RetryInfo>(status);
  REQUIRE(retry.has_value());
  CHECK(retry->retry_delay().seconds() == 3);
  CHECK(retry->retry_delay().nanos() == 7);
  CHECK_FALSE(
      Find<google::rpc::RetryInfo>(ToGrpcStatus(absl::UnavailableError("full"))).has_value());
}

TEST_CASE("the request that failed is named") {
  const auto request = Find<google::rpc::RequestInfo>(
      ToGrpcStatus(absl::InternalError("x"), {.request_id = "req-1"}));
  REQUIRE(request.has_value());
  CHECK(request->request_id() == "req-1");
}

}  // namespace
}  // namespace waferline::rpc
