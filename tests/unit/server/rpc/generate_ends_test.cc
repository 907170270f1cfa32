// How calls end that are refused, cancelled, late or failed; and that nothing of them is held.
#include <catch2/catch.hpp>
#include <chrono>
#include <memory>
#include <thread>
#include <vector>

#include "tests/unit/server/rpc/rpc_cloud.h"

namespace waferline::rpc {
namespace {

TEST_CASE("a refusal carries its code, a retry hint and the request's id, and no event") {
  Cloud cloud;
  grpc::ClientContext context;
  v1::GenerateRequest request = Cloud::Hello();
  request.set_request_id("r1");
  Reader reader = cloud.stub->Generate(&context, request);
  cloud.door.Await(0).sink->OnRefused(
      {.status = absl::UnavailableError("full"), .retry_after = Milliseconds(1500)});
  v1::GenerateResponse event;
  CHECK_FALSE(reader->Read(&event));
  const grpc::Status status = reader->Finish();
  CHECK(status.error_code() == grpc::StatusCode::UNAVAILABLE);
  google::rpc::RetryInfo retry;
  REQUIRE(HasDetail(status, &retry));
  CHECK(retry.retry_delay().seconds() == 1);
  CHECK(retry.retry_delay().nanos() == 500'000'000);
  google::rpc::RequestInfo info;
  REQUIRE(HasDetail(status, &info));
  CHECK(info.request_id() == "r1");
  CHECK(cloud.Quiet());
}

TEST_CASE("a closed door and a wrong field refuse at once") {
  Cloud cloud;
  cloud.door.Close(absl::UnavailableError("draining"));
  v1::GenerateResponse event;
  {
    grpc::ClientContext context;
    Reader reader = cloud.stub->Generate(&context, Cloud::Hello());
    CHECK_FALSE(reader->Read(&event));
    CHECK(reader->Finish().error_message() == "draining");
  }
  grpc::ClientContext context;
  v1::GenerateRequest wrong = Cloud::Hello();
  wrong.mutable_sampling()->set_top_p(7);
  Reader reader = cloud.stub->Generate(&context, wrong);
  CHECK_FALSE(reader->Read(&event));
  const grpc::Status status = reader->Finish();
  CHECK(status.error_code() == grpc::StatusCode::INVALID_ARGUMENT);
  google::rpc::BadRequest bad;
  REQUIRE(HasDetail(status, &bad));
  CHECK(bad.field_violations(0).field() == "sampling.top_p");
  CHECK(context.GetServerInitialMetadata().count("x-request-id") +
            context.GetServerTrailingMetadata().count("x-request-id") ==
        1);
  CHECK(cloud.Quiet());
}

TEST_CASE("a client that cancels cancels its request; the engine's outcome after it is harmless") {
  Cloud cloud;
  grpc::ClientContext context;
  Reader reader = cloud.stub->Generate(&context, Cloud::Hello());
  const ValidRequest valid = cloud.door.Await(0);
  valid.sink->OnAdmitted();
  v1::GenerateResponse event;
  REQUIRE(reader->Read(&event));
  context.TryCancel();
  CHECK(cloud.door.AwaitCancel(0));
  CHECK(reader->Finish().error_code() == grpc::StatusCode::CANCELLED);
  CHECK(cloud.Quiet());
  SendToken(*valid.sink, 0, 'x');
  valid.sink->OnOutcome({.reason = FinishReason::kCancelled});
}

TEST_CASE("a deadline ends the request, in the queue as in the stream") {
  Cloud cloud;
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(100));
  Reader reader = cloud.stub->Generate(&context, Cloud::Hello());
  CHECK(cloud.door.AwaitCancel(0));
  v1::GenerateResponse event;
  CHECK_FALSE(reader->Read(&event));
  CHECK(reader->Finish().error_code() == grpc::StatusCode::DEADLINE_EXCEEDED);
  CHECK(cloud.Quiet());
}

TEST_CASE("an accepted request that fails gets its terminal event and then its status") {
  struct Case {
    Outcome outcome;
    v1::FinishReason reason;
    grpc::StatusCode code;
  };
  const std::vector<Case> cases = {
      {{.reason = FinishReason::kFailed, .status = absl::DataLossError("a wafer is gone")},
       v1::FINISH_REASON_FAILED,
       grpc::StatusCode::DATA_LOSS},
      {{.reason = FinishReason::kDeadline},
       v1::FINISH_REASON_DEADLINE,
       grpc::StatusCode::DEADLINE_EXCEEDED},
      {{.reason = FinishReason::kCancelled},
       v1::FINISH_REASON_CANCELLED,
       grpc::StatusCode::CANCELLED},
      {{.reason = FinishReason::kFailed}, v1::FINISH_REASON_FAILED, grpc::StatusCode::INTERNAL},
  };
  Cloud cloud;
  for (size_t i = 0; i < cases.size(); ++i) {
    grpc::ClientContext context;
    Reader reader = cloud.stub->Generate(&context, Cloud::Hello());
    const ValidRequest valid = cloud.door.Await(i);
    valid.sink->OnAdmitted();
    valid.sink->OnOutcome(cases[i].outcome);
    v1::GenerateResponse event;
    int terminal = 0;
    while (reader->Read(&event)) {
      if (!event.has_finished()) continue;
      ++terminal;
      CHECK(event.finished().reason() == cases[i].reason);
    }
    CHECK(terminal == 1);
    CHECK(reader->Finish().error_code() == cases[i].code);
  }
}

TEST_CASE("when every request has ended no sink is held") {
  Cloud cloud;
  std::vector<std::weak_ptr<TokenSink>> sinks;
  for (size_t i = 0; i < 10; ++i) {
    grpc::ClientContext context;
    Reader reader = cloud.stub->Generate(&context, Cloud::Hello());
    {
      const ValidRequest valid = cloud.door.Await(i);
      sinks.push_back(valid.sink);
      valid.sink->OnAdmitted();
      if (i % 3 == 0) context.TryCancel();
      SendToken(*valid.sink, 0, 'x');
      valid.sink->OnOutcome({.reason = FinishReason::kStop});
    }
    v1::GenerateResponse event;
    while (reader->Read(&event)) {
    }
    reader->Finish();
  }
  CHECK(cloud.Quiet());
  cloud.door.Forget();
  // The pump's and gRPC's last references go a moment later.
  for (const auto& sink : sinks) {
    for (int i = 0; i < 2000 && !sink.expired(); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    CHECK(sink.expired());
  }
}

}  // namespace
}  // namespace waferline::rpc
