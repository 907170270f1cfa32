// The server around the streams: other calls, health, reflection.
#include "server/rpc/rpc_server.h"

#include <grpcpp/generic/generic_stub.h>

#include <catch2/catch.hpp>
#include <future>
#include <string>
#include <vector>

#include "proto/grpc/health/v1/health.grpc.pb.h"
#include "tests/unit/server/rpc/rpc_cloud.h"

namespace waferline::rpc {
namespace {

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

TEST_CASE("a request that is not a message is an invalid argument, an unknown method is not") {
  Cloud cloud;
  grpc::GenericStub stub(cloud.channel);
  const auto code = [&](const std::string& method) {
    grpc::Slice nonsense("\x0a\xff\xff\xff\xff\x0f");
    grpc::ByteBuffer request(&nonsense, 1), response;
    grpc::ClientContext context;
    std::promise<grpc::Status> done;
    stub.UnaryCall(&context, "/waferline.v1." + method, grpc::StubOptions(), &request, &response,
                   [&](const grpc::Status& status) { done.set_value(status); });
    const grpc::Status status = done.get_future().get();
    google::rpc::ErrorInfo why;
    if (status.error_code() == grpc::StatusCode::INVALID_ARGUMENT) CHECK(HasDetail(status, &why));
    return status.error_code();
  };
  for (const char* method :
       {"InferenceService/Generate", "InferenceService/GenerateOnce", "InferenceService/Tokenize",
        "OperatorService/AbortRequest", "BillingService/StreamUsage"}) {
    INFO(method);
    CHECK(code(method) == grpc::StatusCode::INVALID_ARGUMENT);
  }
  CHECK(code("InferenceService/Nothing") == grpc::StatusCode::UNIMPLEMENTED);
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
  const std::vector<std::string> services = {"",
                                             "waferline.v1.InferenceService",
                                             "waferline.v1.OperatorService",
                                             "waferline.v1.BillingService",
                                             "bytes",
                                             "silent"};
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

}  // namespace
}  // namespace waferline::rpc
