// Generate and GenerateOnce over real sockets.
#include <catch2/catch.hpp>
#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/unit/server/rpc/rpc_cloud.h"

namespace waferline::rpc {
namespace {

TEST_CASE("a stream says admitted, its tokens with their instants, finished") {
  Cloud cloud;
  grpc::ClientContext context;
  context.AddMetadata("x-request-id", "mine");
  context.AddMetadata("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
  v1::GenerateRequest request = Cloud::Hello();
  request.mutable_output()->set_top_logprobs(2);
  Reader reader = cloud.stub->Generate(&context, request);
  const ValidRequest valid = cloud.door.Await(0);
  REQUIRE(valid.sink != nullptr);
  CHECK(valid.request_id == "mine");

  v1::GenerateResponse event;
  valid.sink->OnAdmitted();
  REQUIRE(reader->Read(&event));
  REQUIRE(event.has_admitted());
  CHECK(event.admitted().request_id() == "mine");
  CHECK(event.admitted().model() == "bytes");
  CHECK(event.admitted().prompt_tokens() == 6);

  CHECK(SendToken(*valid.sink, 0, 'H') == TokenSink::Verdict::kContinue);
  REQUIRE(reader->Read(&event));
  REQUIRE(event.tokens().tokens_size() == 1);
  const v1::Token token = event.tokens().tokens(0);
  CHECK(token.id() == 'H');
  CHECK(token.text() == "H");
  CHECK(token.logprob() == -0.5f);
  CHECK(token.since_arrival_ns() == 1000);
  REQUIRE(token.top_logprobs_size() == 2);
  CHECK(token.top_logprobs(1).piece() == "A");

  CHECK(SendToken(*valid.sink, 1, ByteTokenizer::kEnd) == TokenSink::Verdict::kContinue);
  valid.sink->OnOutcome({.reason = FinishReason::kStop,
                         .prompt_tokens = 6,
                         .cached_tokens = 1,
                         .generated_tokens = 2,
                         .times = {Nanoseconds(1), Nanoseconds(2), Nanoseconds(3), Nanoseconds(4)},
                         .served = ServiceTier::kFlex});
  REQUIRE(reader->Read(&event));
  REQUIRE(event.tokens().tokens_size() == 1);
  CHECK(event.tokens().tokens(0).id() == ByteTokenizer::kEnd);
  CHECK(event.tokens().tokens(0).text().empty());
  REQUIRE(reader->Read(&event));
  REQUIRE(event.has_finished());
  CHECK(event.finished().reason() == v1::FINISH_REASON_STOP);
  CHECK(event.finished().usage().prompt_tokens() == 6);
  CHECK(event.finished().usage().cached_prompt_tokens() == 1);
  CHECK(event.finished().usage().completion_tokens() == 2);
  CHECK(event.finished().times().transfer_ns() == 3);
  CHECK(event.finished().token_origin() == v1::TOKEN_ORIGIN_COMPUTED);
  CHECK(event.finished().service_tier() == v1::SERVICE_TIER_FLEX);
  CHECK_FALSE(reader->Read(&event));
  CHECK(reader->Finish().ok());

  const auto& head = context.GetServerInitialMetadata();
  REQUIRE(head.count("x-request-id") == 1);
  CHECK(head.find("x-request-id")->second == "mine");
  REQUIRE(head.count("traceparent") == 1);
  CHECK(cloud.Quiet());
}

TEST_CASE("tokens that come while a message is written share the next one") {
  Cloud cloud;
  grpc::ClientContext context;
  Reader reader = cloud.stub->Generate(&context, Cloud::Hello());
  const ValidRequest valid = cloud.door.Await(0);
  valid.sink->OnAdmitted();
  const int count = 100;
  for (int i = 0; i < count; ++i) SendToken(*valid.sink, static_cast<uint32_t>(i), 'a' + i % 26);
  valid.sink->OnOutcome({.reason = FinishReason::kLength});
  v1::GenerateResponse event;
  std::string text;
  int messages = 0, tokens = 0;
  while (reader->Read(&event)) {
    messages += event.has_tokens();
    for (const auto& token : event.tokens().tokens()) {
      CHECK(token.since_arrival_ns() == 1000 * ++tokens);
      text += token.text();
    }
    text += event.finished().text();
  }
  CHECK(reader->Finish().ok());
  CHECK(tokens == count);
  CHECK(messages < count);
  CHECK(text.size() == 100);
  CHECK(text.substr(0, 27) == "abcdefghijklmnopqrstuvwxyza");
  CHECK(cloud.metrics.tokens == count);
  CHECK(cloud.metrics.events == static_cast<uint32_t>(messages));
  CHECK(cloud.metrics.first_tokens == 1);
  CHECK(cloud.metrics.ends == 1);
  const auto usage = cloud.ledger.Rows();
  REQUIRE(usage.size() == 1);
  CHECK(usage.begin()->first.second == "bytes");
}

TEST_CASE("a stop string ends the sequence and is not shown") {
  Cloud cloud;
  grpc::ClientContext context;
  v1::GenerateRequest request = Cloud::Hello();
  request.mutable_stop()->add_strings("END");
  Reader reader = cloud.stub->Generate(&context, request);
  const ValidRequest valid = cloud.door.Await(0);
  valid.sink->OnAdmitted();
  uint32_t index = 0;
  std::vector<TokenSink::Verdict> verdicts;
  for (const char c : std::string("xENDy").substr(0, 4)) {
    verdicts.push_back(SendToken(*valid.sink, index++, c));
  }
  CHECK(verdicts == std::vector<TokenSink::Verdict>{
                        TokenSink::Verdict::kContinue, TokenSink::Verdict::kContinue,
                        TokenSink::Verdict::kContinue, TokenSink::Verdict::kStop});
  valid.sink->OnOutcome({.reason = FinishReason::kStop});
  v1::GenerateResponse event;
  std::string text;
  while (reader->Read(&event)) {
    for (const auto& token : event.tokens().tokens()) text += token.text();
    text += event.finished().text();
  }
  CHECK(text == "x");
}

TEST_CASE("text held back for a stop string that does not come is in the last event") {
  Cloud cloud;
  grpc::ClientContext context;
  v1::GenerateRequest request = Cloud::Hello();
  request.mutable_stop()->add_strings("END");
  Reader reader = cloud.stub->Generate(&context, request);
  const ValidRequest valid = cloud.door.Await(0);
  valid.sink->OnAdmitted();
  SendToken(*valid.sink, 0, 'E');
  SendToken(*valid.sink, 1, 'N');
  valid.sink->OnOutcome({.reason = FinishReason::kLength});
  v1::GenerateResponse event, last;
  while (reader->Read(&event)) {
    for (const auto& token : event.tokens().tokens()) CHECK(token.text().empty());
    last = event;
  }
  CHECK(last.finished().text() == "EN");
}

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

TEST_CASE("GenerateOnce gathers the whole answer") {
  Cloud cloud;
  v1::GenerateOnceResponse answer;
  grpc::Status status;
  std::thread client([&] {
    grpc::ClientContext context;
    v1::GenerateOnceRequest request;
    *request.mutable_request() = Cloud::Hello();
    request.mutable_request()->mutable_output()->set_prompt_logprobs(true);
    status = cloud.stub->GenerateOnce(&context, request, &answer);
  });
  const ValidRequest valid = cloud.door.Await(0);
  valid.sink->OnAdmitted();
  valid.sink->OnPromptLogprobs({TokenValue{.id = 'h', .logprob = -2}});
  SendToken(*valid.sink, 0, 'H');
  SendToken(*valid.sink, 1, 'i');
  valid.sink->OnOutcome(
      {.reason = FinishReason::kLength, .prompt_tokens = 6, .generated_tokens = 2});
  client.join();
  CHECK(status.ok());
  CHECK(answer.text() == "Hi");
  CHECK(answer.tokens_size() == 2);
  CHECK(answer.admitted().prompt_tokens() == 6);
  REQUIRE(answer.prompt_logprobs_size() == 1);
  CHECK(answer.prompt_logprobs(0).logprob() == -2);
  CHECK(answer.finished().reason() == v1::FINISH_REASON_LENGTH);
  CHECK(answer.finished().usage().completion_tokens() == 2);
  CHECK(cloud.Quiet());
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
