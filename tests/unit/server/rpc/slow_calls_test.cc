// Readers that are slower than their tokens, and what a worker does before a request is submitted.
#include <catch2/catch.hpp>
#include <future>
#include <string>
#include <thread>

#include "tests/unit/server/rpc/rpc_cloud.h"

namespace waferline::rpc {
namespace {

// Enough bytes a token that the transport's own windows fill soon.
constexpr uint32_t kFlood = 200'000;

TEST_CASE("a slow reader holds its sequence back, and lets it go on when it has caught up") {
  Cloud cloud({.buffered_tokens = 64}, nullptr, nullptr, 1 << 20);
  grpc::ClientContext context;
  v1::GenerateRequest request = Cloud::Hello();
  request.mutable_output()->set_top_logprobs(2);
  Reader reader = cloud.stub->Generate(&context, request);
  const ValidRequest valid = cloud.door.Await(0);
  valid.sink->OnAdmitted();
  uint32_t sent = 0;
  while (sent < kFlood && SendToken(*valid.sink, sent++, 'a') != TokenSink::Verdict::kFull) {
  }
  REQUIRE(sent < kFlood);  // it was held back
  v1::GenerateResponse event;
  uint32_t read = 0;
  while (read < sent) {
    REQUIRE(reader->Read(&event));
    read += static_cast<uint32_t>(event.tokens().tokens_size());
  }
  CHECK(read == sent);
  CHECK(cloud.door.AwaitResume(0));
  CHECK(cloud.door.resumed(0) == 1);
  CHECK(SendToken(*valid.sink, sent, 'b') == TokenSink::Verdict::kContinue);
  valid.sink->OnOutcome({.reason = FinishReason::kLength});
  while (reader->Read(&event)) {
  }
  CHECK(event.has_finished());
  CHECK(reader->Finish().ok());
}

TEST_CASE("a reader on whom the engine gave up is cut off") {
  Cloud cloud({.buffered_tokens = 64}, nullptr, nullptr, 1 << 20);
  grpc::ClientContext context;
  Reader reader = cloud.stub->Generate(&context, Cloud::Hello());
  const ValidRequest valid = cloud.door.Await(0);
  valid.sink->OnAdmitted();
  uint32_t sent = 0;
  while (sent < kFlood && SendToken(*valid.sink, sent++, 'a') != TokenSink::Verdict::kFull) {
  }
  REQUIRE(sent < kFlood);
  valid.sink->OnOutcome({.reason = FinishReason::kFailed,
                         .status = absl::ResourceExhaustedError("the reader is too slow")});
  CHECK(cloud.Quiet());  // although nobody has read a message
  context.TryCancel();
  CHECK_FALSE(reader->Finish().ok());
}

TEST_CASE("a new grammar is compiled on the worker, and a client may go away meanwhile") {
  Cloud cloud;
  std::promise<void> running, release;
  cloud.plain.texts.Run([&](const absl::Status&) {
    running.set_value();
    release.get_future().wait();
  });
  running.get_future().wait();
  v1::GenerateRequest request = Cloud::Hello();
  request.mutable_constraint()->set_regex("a+");
  grpc::ClientContext context, gone, plain;
  Reader reader = cloud.stub->Generate(&context, request);
  Reader cancelled = cloud.stub->Generate(&gone, request);
  while (cloud.server->live_calls() < 2) std::this_thread::yield();
  gone.TryCancel();
  Reader other = cloud.stub->Generate(&plain, Cloud::Hello());
  CHECK(cloud.door.Await(0).sampling.constraint == nullptr);
  release.set_value();
  CHECK(cloud.door.Await(1).sampling.constraint != nullptr);
  CHECK(cancelled->Finish().error_code() == grpc::StatusCode::CANCELLED);
  for (const size_t i : {0, 1}) {
    const ValidRequest valid = cloud.door.Await(i);
    valid.sink->OnAdmitted();
    valid.sink->OnOutcome({.reason = FinishReason::kStop});
  }
  v1::GenerateResponse event;
  while (reader->Read(&event) || other->Read(&event)) continue;
  CHECK(reader->Finish().ok());
  CHECK(other->Finish().ok());
  CHECK(cloud.Quiet());
}

TEST_CASE("a constraint that cannot be honoured, and a long text, over the worker") {
  Cloud cloud({}, nullptr, nullptr, 100'000);
  v1::GenerateRequest request = Cloud::Hello();
  request.mutable_constraint()->set_regex("(");
  grpc::ClientContext context;
  v1::GenerateResponse event;
  Reader reader = cloud.stub->Generate(&context, request);
  CHECK_FALSE(reader->Read(&event));
  const grpc::Status status = reader->Finish();
  CHECK(status.error_code() == grpc::StatusCode::INVALID_ARGUMENT);
  CHECK(status.error_message().find("constraint") != std::string::npos);
  v1::TokenizeRequest tokenize;
  tokenize.set_model("bytes");
  tokenize.set_text(std::string(serving::kMaxQuickBytes + 1, 'a'));
  grpc::ClientContext more;
  v1::TokenizeResponse tokens;
  CHECK(cloud.stub->Tokenize(&more, tokenize, &tokens).ok());
  CHECK(tokens.token_ids_size() == static_cast<int>(serving::kMaxQuickBytes) + 2);
}

}  // namespace
}  // namespace waferline::rpc
