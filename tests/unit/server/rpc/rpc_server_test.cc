#include "server/rpc/rpc_server.h"

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "proto/google/rpc/error_details.pb.h"
#include "proto/google/rpc/status.pb.h"
#include "proto/grpc/health/v1/health.grpc.pb.h"
#include "proto/waferline/v1/inference.grpc.pb.h"
#include "proto/waferline/v1/operator.grpc.pb.h"
#include "tests/unit/server/rpc/byte_tokenizer.h"
#include "tests/unit/server/rpc/puppet_cloud.h"

namespace waferline::rpc {
namespace {

using Reader = std::unique_ptr<grpc::ClientReader<v1::GenerateResponse>>;

class CountingMetrics : public metrics::FrontMetrics {
 public:
  void OnHostFirstToken(std::string_view, Nanoseconds) override { ++first_tokens; }
  void OnHostEnd(std::string_view, Nanoseconds) override { ++ends; }
  void OnStreamEvent(std::string_view, uint32_t count) override {
    ++events;
    tokens += count;
  }
  void OnTurnedAway(std::string_view) override { ++turned_away; }
  std::atomic<uint32_t> first_tokens = 0, ends = 0, events = 0, tokens = 0, turned_away = 0;
};

struct Cloud {
  explicit Cloud(RpcOptions options = {}, const access::ApiKeys* keys = nullptr,
                 access::Budgets* budgets = nullptr, int64_t context = 128)
      : models(ByteModels(context)) {
    auto started = RpcServer::Start({.front_door = &door,
                                     .models = &models,
                                     .operators = &operators,
                                     .keys = keys,
                                     .budgets = budgets,
                                     .ledger = &ledger,
                                     .metrics = &metrics,
                                     .host_now = [] { return Nanoseconds(0); },
                                     .seed = 1},
                                    options);
    REQUIRE(started.ok());
    server = *std::move(started);
    channel = grpc::CreateChannel("127.0.0.1:" + std::to_string(server->port()),
                                  grpc::InsecureChannelCredentials());
    stub = v1::InferenceService::NewStub(channel);
    operator_stub = v1::OperatorService::NewStub(channel);
  }

  static v1::GenerateRequest Hello() {
    v1::GenerateRequest request;
    request.set_model("bytes");
    request.set_text("hello");
    return request;
  }

  // The server lets go of a call a moment after its client has heard of the end.
  bool Quiet() const {
    for (int i = 0; i < 2000 && server->live_calls() > 0; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return server->live_calls() == 0;
  }

  PuppetDoor door;
  PuppetOperators operators;
  CountingMetrics metrics;
  metering::UsageLedger ledger;
  text::ModelCatalog models;
  std::unique_ptr<RpcServer> server;
  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<v1::InferenceService::Stub> stub;
  std::unique_ptr<v1::OperatorService::Stub> operator_stub;
};

template <typename Detail>
bool HasDetail(const grpc::Status& status, Detail* detail) {
  google::rpc::Status details;
  REQUIRE(details.ParseFromString(status.error_details()));
  for (const auto& any : details.details()) {
    if (any.UnpackTo(detail)) return true;
  }
  return false;
}

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
  valid.sink->OnOutcome(
      {.reason = FinishReason::kStop,
       .prompt_tokens = 6,
       .cached_tokens = 1,
       .generated_tokens = 2,
       .times = {Nanoseconds(1), Nanoseconds(2), Nanoseconds(3), Nanoseconds(4)}});
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

TEST_CASE("a client that cancels cancels its request; the engine's farewell harms nobody") {
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

TEST_CASE("tokenize and detokenize are each other's inverse, models are listed") {
  Cloud cloud;
  grpc::ClientContext first, second, third, fourth, fifth;
  v1::TokenizeRequest tokenize;
  tokenize.set_model("bytes");
  tokenize.set_text("h\xc3\xa9");
  tokenize.set_add_special_tokens(false);
  v1::TokenizeResponse ids;
  REQUIRE(cloud.stub->Tokenize(&first, tokenize, &ids).ok());
  REQUIRE(ids.token_ids_size() == 3);
  CHECK(ids.pieces(1) == "\xc3");
  CHECK(ids.context_length() == 128);
  v1::DetokenizeRequest detokenize;
  detokenize.set_model("bytes");
  *detokenize.mutable_token_ids() = ids.token_ids();
  v1::DetokenizeResponse text;
  REQUIRE(cloud.stub->Detokenize(&second, detokenize, &text).ok());
  CHECK(text.text() == "h\xc3\xa9");
  detokenize.add_token_ids(1000);
  const grpc::Status wrong = cloud.stub->Detokenize(&third, detokenize, &text);
  google::rpc::BadRequest bad;
  REQUIRE(HasDetail(wrong, &bad));
  CHECK(bad.field_violations(0).field() == "token_ids[3]");

  v1::ListModelsResponse models;
  REQUIRE(cloud.stub->ListModels(&fourth, {}, &models).ok());
  REQUIRE(models.models_size() == 2);
  CHECK(models.models(0).id() == "bytes");
  CHECK(models.models(0).chat_template() == "plain");
  CHECK(models.models(1).chat_template().empty());
  CHECK(models.models(1).token_origin() == v1::TOKEN_ORIGIN_EMULATED);
  v1::GetModelRequest get;
  get.set_model("gone");
  v1::GetModelResponse model;
  CHECK(cloud.stub->GetModel(&fifth, get, &model).error_code() == grpc::StatusCode::NOT_FOUND);
}

TEST_CASE("operators ask, abort and learn what cannot be done") {
  Cloud cloud;
  grpc::ClientContext stream, info_context, abort, elsewhere, nobody, fault_context, unknown;
  v1::GenerateRequest request = Cloud::Hello();
  request.set_request_id("victim");
  Reader reader = cloud.stub->Generate(&stream, request);
  const ValidRequest valid = cloud.door.Await(0);

  v1::GetServerInfoResponse info;
  REQUIRE(cloud.operator_stub->GetServerInfo(&info_context, {}, &info).ok());
  CHECK(info.version() == "1.2.3");

  v1::AbortRequestRequest victim;
  v1::AbortRequestResponse aborted;
  victim.set_request_id("victim");
  REQUIRE(cloud.operator_stub->AbortRequest(&abort, victim, &aborted).ok());
  CHECK(aborted.aborted() == 1);
  CHECK(cloud.door.AwaitCancel(0));
  victim.set_request_id("elsewhere");
  REQUIRE(cloud.operator_stub->AbortRequest(&elsewhere, victim, &aborted).ok());
  CHECK(aborted.aborted() == 2);
  CHECK(cloud.operator_stub->AbortRequest(&nobody, {}, &aborted).error_code() ==
        grpc::StatusCode::INVALID_ARGUMENT);
  valid.sink->OnRefused({.status = absl::CancelledError("aborted")});
  CHECK(reader->Finish().error_code() == grpc::StatusCode::CANCELLED);

  v1::ApplyFaultRequest fault;
  v1::ApplyFaultResponse none;
  CHECK(cloud.operator_stub->ApplyFault(&unknown, fault, &none).error_code() ==
        grpc::StatusCode::INVALID_ARGUMENT);
  fault.mutable_fault()->set_kind(v1::FAULT_KIND_UNIT_LOST);
  CHECK(cloud.operator_stub->ApplyFault(&fault_context, fault, &none).error_code() ==
        grpc::StatusCode::UNIMPLEMENTED);
}

TEST_CASE("keys: unknown callers, models that a key may not use, and who may operate") {
  const auto keys =
      access::ApiKeys::Create({{.key = "plain-key", .tenant = "acme", .models = {"bytes"}},
                               {.key = "admin-key", .tenant = "ops", .admin = true}});
  REQUIRE(keys.ok());
  Cloud cloud({}, &*keys);
  const auto code = [&](const std::string& key, const std::string& model) {
    grpc::ClientContext context;
    if (!key.empty()) context.AddMetadata("authorization", "Bearer " + key);
    v1::GetModelRequest get;
    get.set_model(model);
    v1::GetModelResponse response;
    return cloud.stub->GetModel(&context, get, &response).error_code();
  };
  CHECK(code("", "bytes") == grpc::StatusCode::UNAUTHENTICATED);
  CHECK(code("guess", "bytes") == grpc::StatusCode::UNAUTHENTICATED);
  CHECK(code("plain-key", "bytes") == grpc::StatusCode::OK);
  CHECK(cloud.metrics.turned_away == 2);

  grpc::ClientContext other_context;
  other_context.AddMetadata("authorization", "Bearer plain-key");
  v1::GenerateRequest other = Cloud::Hello();
  other.set_model("silent");
  Reader reader = cloud.stub->Generate(&other_context, other);
  CHECK(reader->Finish().error_code() == grpc::StatusCode::PERMISSION_DENIED);

  const auto drain = [&](const std::string& key) {
    grpc::ClientContext context;
    context.AddMetadata("authorization", "Bearer " + key);
    v1::DrainResponse response;
    return cloud.operator_stub->Drain(&context, {}, &response).error_code();
  };
  CHECK(drain("plain-key") == grpc::StatusCode::PERMISSION_DENIED);
  CHECK(drain("admin-key") == grpc::StatusCode::OK);

  grpc::ClientContext mine;
  mine.AddMetadata("authorization", "Bearer plain-key");
  Reader accepted = cloud.stub->Generate(&mine, Cloud::Hello());
  CHECK(cloud.door.Await(0).tenant == "acme");
  mine.TryCancel();
  CHECK(cloud.Quiet());
}

TEST_CASE("a budget is charged what a request may use and settled to what it did use") {
  access::Budgets budgets({.requests_day = 100, .tokens_minute = 200}, {});
  Cloud cloud({}, nullptr, &budgets);
  grpc::ClientContext first, second, third;
  v1::GenerateRequest request = Cloud::Hello();  // 6 tokens
  request.mutable_stop()->set_max_tokens(110);
  Reader one = cloud.stub->Generate(&first, request);
  const ValidRequest valid = cloud.door.Await(0);
  Reader two = cloud.stub->Generate(&second, request);
  const grpc::Status over = two->Finish();
  CHECK(over.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED);
  CHECK(cloud.metrics.turned_away == 1);
  google::rpc::RetryInfo retry;
  CHECK(HasDetail(over, &retry));
  valid.sink->OnAdmitted();
  valid.sink->OnOutcome(
      {.reason = FinishReason::kStop, .prompt_tokens = 6, .generated_tokens = 10});
  v1::GenerateResponse event;
  while (one->Read(&event)) {
  }
  CHECK(one->Finish().ok());
  Reader three = cloud.stub->Generate(&third, request);
  CHECK(cloud.door.Await(1).sink != nullptr);
  third.TryCancel();
  CHECK(cloud.Quiet());
}

TEST_CASE("health answers for the server, each service and each model") {
  Cloud cloud;
  const auto stub = grpc::health::v1::Health::NewStub(cloud.channel);
  using Health = grpc::health::v1::HealthCheckResponse;
  const auto check = [&](const std::string& service) {
    grpc::ClientContext context;
    grpc::health::v1::HealthCheckRequest request;
    request.set_service(service);
    Health response;
    const grpc::Status status = stub->Check(&context, request, &response);
    return status.ok() ? static_cast<int>(response.status())
                       : -static_cast<int>(status.error_code());
  };
  const std::vector<std::string> services = {"", "waferline.v1.InferenceService",
                                             "waferline.v1.OperatorService", "bytes", "silent"};
  for (const auto& service : services) CHECK(check(service) == Health::NOT_SERVING);
  cloud.server->SetServing(true);
  for (const auto& service : services) CHECK(check(service) == Health::SERVING);
  cloud.server->SetServing("silent", false);
  CHECK(check("silent") == Health::NOT_SERVING);
  CHECK(check("bytes") == Health::SERVING);
  CHECK(check("nothing") == -static_cast<int>(grpc::StatusCode::NOT_FOUND));
}

TEST_CASE("reflection tells tools which services there are") {
  Cloud cloud;
  grpc::GenericStub stub(cloud.channel);
  grpc::ClientContext context;
  grpc::CompletionQueue queue;
  void* tag;
  bool ok = false;
  const auto done = [&] { return queue.Next(&tag, &ok) && ok; };
  const auto call = stub.PrepareCall(
      &context, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", &queue);
  call->StartCall(nullptr);
  REQUIRE(done());
  // ServerReflectionRequest { list_services: "" }: field 7, length 0.
  const grpc::Slice request("\x3a\x00", 2);
  call->Write(grpc::ByteBuffer(&request, 1), nullptr);
  REQUIRE(done());
  grpc::ByteBuffer answer;
  call->Read(&answer, nullptr);
  REQUIRE(done());
  grpc::Slice bytes;
  REQUIRE(answer.DumpToSingleSlice(&bytes).ok());
  const std::string names(reinterpret_cast<const char*>(bytes.begin()), bytes.size());
  for (const char* name :
       {"waferline.v1.InferenceService", "waferline.v1.OperatorService", "grpc.health.v1.Health"}) {
    CHECK(names.find(name) != std::string::npos);
  }
  context.TryCancel();
  grpc::Status status;
  call->Finish(&status, nullptr);
  queue.Next(&tag, &ok);
}

TEST_CASE("a message over the limit is refused") {
  Cloud cloud({.max_message_bytes = 10'000});
  grpc::ClientContext context;
  v1::GenerateRequest request = Cloud::Hello();
  request.set_text(std::string(20'000, 'x'));
  Reader reader = cloud.stub->Generate(&context, request);
  CHECK(reader->Finish().error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED);
}

TEST_CASE("a port that is taken is refused with the way out") {
  Cloud cloud;
  const auto second = RpcServer::Start(
      {.front_door = &cloud.door, .models = &cloud.models, .operators = &cloud.operators},
      {.port = cloud.server->port()});
  REQUIRE(second.status().code() == absl::StatusCode::kUnavailable);
  CHECK(std::string(second.status().message()).find("--grpc-port") != std::string::npos);
}

TEST_CASE("Shutdown cancels what is live and does not wait for the engine") {
  Cloud cloud;
  std::vector<std::unique_ptr<grpc::ClientContext>> contexts;
  std::vector<Reader> readers;
  std::vector<ValidRequest> requests;
  for (size_t i = 0; i < 20; ++i) {
    contexts.push_back(std::make_unique<grpc::ClientContext>());
    readers.push_back(cloud.stub->Generate(contexts.back().get(), Cloud::Hello()));
    requests.push_back(cloud.door.Await(i));
    if (i % 2 == 0) requests.back().sink->OnAdmitted();
  }
  CHECK(cloud.server->live_calls() == 20);
  cloud.server->Shutdown();
  CHECK(cloud.server->live_calls() == 0);
  for (size_t i = 0; i < 20; ++i) {
    CHECK(cloud.door.cancelled(i));
    v1::GenerateResponse event;
    while (readers[i]->Read(&event)) {
    }
    CHECK_FALSE(readers[i]->Finish().ok());
    SendToken(*requests[i].sink, 0, 'x');
    requests[i].sink->OnOutcome({.reason = FinishReason::kCancelled});
  }
}

TEST_CASE("when everything is over nobody holds a sink any more") {
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
