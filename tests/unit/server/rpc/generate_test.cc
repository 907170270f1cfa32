// What Generate and GenerateOnce say of a request that is served, over real sockets.
#include <catch2/catch.hpp>
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

TEST_CASE("a stop string that only the end of the text completes is named") {
  Cloud cloud;
  grpc::ClientContext context;
  v1::GenerateRequest request = Cloud::Hello();
  request.mutable_stop()->add_strings("\xef\xbf\xbd");  // U+FFFD
  Reader reader = cloud.stub->Generate(&context, request);
  const ValidRequest valid = cloud.door.Await(0);
  valid.sink->OnAdmitted();
  SendToken(*valid.sink, 0, static_cast<unsigned char>('\xe2'));  // of a character of three bytes
  valid.sink->OnOutcome({.reason = FinishReason::kStop});
  v1::GenerateResponse event;
  while (reader->Read(&event)) continue;
  CHECK(event.finished().text().empty());
  CHECK(event.finished().stop_string() == "\xef\xbf\xbd");
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

}  // namespace
}  // namespace waferline::rpc
