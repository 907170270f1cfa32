// Operators at both doors of a whole cloud: what one door begins, the other can end. The tokens are
// a stand-in's, their timing is the modelled one, so that a long request lives for seconds.
#include "server/app/admin_actions.h"

#include <grpcpp/grpcpp.h>

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <catch2/catch.hpp>
#include <memory>
#include <string>

#include "proto/grpc/health/v1/health.grpc.pb.h"
#include "proto/waferline/v1/inference.grpc.pb.h"
#include "proto/waferline/v1/operator.grpc.pb.h"
#include "server/app/cloud.h"
#include "server/app/front_ends.h"
#include "server/config/server_config.h"
#include "tests/unit/server/http/raw_client.h"

namespace waferline::app {
namespace {

namespace json = boost::json;
using http::RawClient;

constexpr char kConfig[] = R"(
listen: {http_port: 0, grpc_port: 0}
models:
  - name: m
    shape: llama-3.1-8b
    context: 32768
    prefill: {hardware: h100}
    decode: [{name: wafer, hardware: wse-3, profile: vendor-2024, units: 2}]
    tokens: {from: cheap, file: ../models/demo.gguf}
)";
constexpr char kReason[] = "an operator ended the request";

struct Doors {
  explicit Doors(const std::string& more = "") {
    const auto parsed = config::ParseServerConfig(
        std::string(WAFERLINE_SOURCE_DIR) + "/deploy/config/test.yaml", kConfig + more);
    REQUIRE(parsed.ok());
    config = *parsed;
    auto built = Cloud::Build(config);
    REQUIRE(built.ok());
    cloud = *std::move(built);
    admin = std::make_unique<AdminActions>(&config, cloud.get());
    auto started = FrontEnds::Start(config, cloud.get(), admin.get(), nullptr);
    REQUIRE(started.ok());
    front = *std::move(started);
    admin->ReportTo([this](bool taking) { front->SetServing(taking); });
    const auto channel = grpc::CreateChannel("127.0.0.1:" + std::to_string(front->grpc_port()),
                                             grpc::InsecureChannelCredentials());
    inference = v1::InferenceService::NewStub(channel);
    orders = v1::OperatorService::NewStub(channel);
    health = grpc::health::v1::Health::NewStub(channel);
  }

  // What gRPC's balancers see.
  bool Serving() const {
    grpc::ClientContext context;
    grpc::health::v1::HealthCheckResponse response;
    REQUIRE(health->Check(&context, {}, &response).ok());
    return response.status() == grpc::health::v1::HealthCheckResponse::SERVING;
  }

  uint32_t AbortByGrpc(const std::string& id, const std::string& tenant = "") const {
    grpc::ClientContext context;
    context.AddMetadata("authorization", "Bearer key-operator");
    v1::AbortRequestRequest request;
    request.set_request_id(id);
    request.set_tenant(tenant);
    v1::AbortRequestResponse response;
    REQUIRE(orders->AbortRequest(&context, request, &response).ok());
    return response.aborted();
  }
  v1::GetLoadResponse LoadByGrpc() const {
    grpc::ClientContext context;
    v1::GetLoadResponse response;
    REQUIRE(orders->GetLoad(&context, {}, &response).ok());
    return response;
  }
  RawClient::Response Ask(const std::string& request) const {
    RawClient client(front->http_port());
    client.Send(request);
    return client.ReadResponse();
  }

  config::ServerConfig config;
  std::unique_ptr<Cloud> cloud;
  std::unique_ptr<AdminActions> admin;
  std::unique_ptr<FrontEnds> front;
  std::unique_ptr<v1::InferenceService::Stub> inference;
  std::unique_ptr<v1::OperatorService::Stub> orders;
  std::unique_ptr<grpc::health::v1::Health::Stub> health;
};

std::string Post(const std::string& path, const std::string& body, const std::string& id = "any") {
  return "POST " + path + " HTTP/1.1\r\nhost: localhost\r\nx-request-id: " + id +
         "\r\ncontent-length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}
std::string Long(const std::string& more) {
  return R"({"model":"m","prompt":"a","max_tokens":20000,"ignore_eos":true)" + more + "}";
}

TEST_CASE("what came by HTTP is ended by its id over gRPC") {
  Doors doors;
  RawClient stream(doors.front->http_port());
  stream.Send(Post("/v1/completions", Long(R"(,"stream":true)"), "from-http"));
  stream.ReadUntil("data: {");  // it runs
  CHECK(doors.AbortByGrpc("from") == 0);
  CHECK(doors.AbortByGrpc("from-http") == 1);
  const std::string rest = stream.ReadUntil("data: [DONE]");
  CHECK(rest.find(kReason) != std::string::npos);
  CHECK(rest.ends_with("data: [DONE]"));

  RawClient document(doors.front->http_port());
  document.Send(Post("/v1/completions", Long(R"(,"n":2)"), "twice"));
  while (doors.LoadByGrpc().accepted() < 3) {  // the first request's one, and both of these
  }
  CHECK(doors.AbortByGrpc("twice") == 2);
  const auto response = document.ReadResponse();
  CHECK(response.code == 499);
  CHECK(response.body.find(kReason) != std::string::npos);
  CHECK(doors.LoadByGrpc().finished() == 3);
}

TEST_CASE("two tenants use the same id: an operator ends one's request, the other's goes on") {
  Doors doors(
      "api_keys: [{key: key-a, tenant: a}, {key: key-b, tenant: b},"
      " {key: key-operator, tenant: operator, may_operate: true}]\n");
  const auto begin = [](RawClient& client, const std::string& key) {
    client.Send(
        Post("/v1/completions", Long(R"(,"stream":true)"), "same\r\nauthorization: Bearer " + key));
    client.ReadUntil("data: {");  // it runs
  };
  RawClient of_a(doors.front->http_port()), of_b(doors.front->http_port());
  begin(of_a, "key-a");
  begin(of_b, "key-b");
  CHECK(doors.AbortByGrpc("same") == 0);
  CHECK(doors.AbortByGrpc("same", "c") == 0);
  const std::string operators = "any\r\nauthorization: Bearer key-operator";
  CHECK(doors.Ask(Post("/admin/abort", R"({"request_id":"same","tenant":"a"})", operators)).body ==
        R"({"aborted":1})");
  CHECK(of_a.ReadUntil("data: [DONE]").find(kReason) != std::string::npos);
  CHECK(of_b.ReadUntil("data: {").find(kReason) == std::string::npos);  // its next tokens
  CHECK(doors.AbortByGrpc("same", "b") == 1);
  CHECK(of_b.ReadUntil("data: [DONE]").find(kReason) != std::string::npos);
}

TEST_CASE("what came by gRPC is ended by its id over HTTP") {
  Doors doors;
  grpc::ClientContext context;
  v1::GenerateRequest request;
  request.set_model("m");
  request.set_text("a");
  request.set_request_id("from-grpc");
  request.mutable_stop()->set_max_tokens(20'000);
  const auto reader = doors.inference->Generate(&context, request);
  v1::GenerateResponse event;
  REQUIRE(reader->Read(&event));  // it runs
  CHECK(doors.Ask(Post("/admin/abort", R"({"request_id":"from-grpc"})")).body ==
        R"({"aborted":1})");
  while (reader->Read(&event)) {
  }
  const grpc::Status status = reader->Finish();
  CHECK(status.error_code() == grpc::StatusCode::CANCELLED);
  CHECK(status.error_message() == kReason);
}

TEST_CASE("a unit is lost by an order at one door, seen at the other, and served around") {
  Doors doors;
  CHECK(doors.Ask(Post("/admin/faults", R"({"fault":"unit_lost","model":"m","index":0})")).code ==
        200);
  const auto alive = [&](int unit) {
    const json::value load =
        json::parse(doors.Ask("GET /admin/load HTTP/1.1\r\nhost: localhost\r\n\r\n").body);
    return load.at("models").at(0).at("units").at(static_cast<size_t>(unit)).at("alive").as_bool();
  };
  CHECK(!alive(0));
  CHECK(alive(1));
  CHECK(doors.Ask(Post("/v1/completions", R"({"model":"m","prompt":"a"})")).code == 200);

  grpc::ClientContext context, wrong_context;
  v1::ApplyFaultRequest order;
  v1::ApplyFaultResponse none;
  order.mutable_fault()->set_kind(v1::FAULT_KIND_UNIT_BACK);
  order.mutable_fault()->set_model("m");
  CHECK(doors.orders->ApplyFault(&context, order, &none).ok());
  CHECK(alive(0));
  order.mutable_fault()->set_index(2);
  CHECK(doors.orders->ApplyFault(&wrong_context, order, &none).error_code() ==
        grpc::StatusCode::INVALID_ARGUMENT);
  const auto wrong =
      doors.Ask(Post("/admin/faults", R"({"fault":"unit_lost","model":"m","index":2})"));
  CHECK(wrong.code == 400);
  CHECK(json::parse(wrong.body).at("error").at("param").as_string() == "index");
}

TEST_CASE("a drain by HTTP: nothing new by either door, what is in flight goes on") {
  Doors doors;
  RawClient stream(doors.front->http_port());
  stream.Send(
      Post("/v1/completions",
           R"({"model":"m","prompt":"a","max_tokens":1500,"ignore_eos":true,"stream":true})"));
  stream.ReadUntil("data: {");
  CHECK(doors.Serving());
  CHECK(doors.Ask(Post("/admin/drain", "")).body == R"({"status":"draining","in_flight":1})");
  CHECK(!doors.Serving());
  CHECK(doors.LoadByGrpc().state() == v1::SERVER_STATE_DRAINING);
  CHECK(doors.Ask("GET /ready HTTP/1.1\r\nhost: localhost\r\n\r\n").code == 503);
  CHECK(doors.Ask(Post("/v1/completions", R"({"model":"m","prompt":"a"})")).code == 503);
  grpc::ClientContext context;
  v1::GenerateOnceRequest request;
  request.mutable_request()->set_model("m");
  request.mutable_request()->set_text("a");
  v1::GenerateOnceResponse response;
  CHECK(doors.inference->GenerateOnce(&context, request, &response).error_code() ==
        grpc::StatusCode::UNAVAILABLE);
  // A resume takes the drain back, for both doors, and the stream never noticed.
  v1::ResumeResponse resumed;
  grpc::ClientContext resume;
  CHECK(doors.orders->Resume(&resume, {}, &resumed).ok());
  CHECK(doors.LoadByGrpc().state() == v1::SERVER_STATE_READY);
  CHECK(doors.Serving());
  CHECK(doors.Ask("GET /ready HTTP/1.1\r\nhost: localhost\r\n\r\n").code == 200);
  CHECK(doors.Ask(Post("/v1/completions", R"({"model":"m","prompt":"a"})")).code == 200);
  CHECK(doors.Ask(Post("/admin/resume", "")).body.starts_with(R"({"status":"ready","in_flight":)"));
  CHECK(stream.ReadUntil("data: [DONE]").find("\"finish_reason\":\"length\"") != std::string::npos);
  // But not the stop of the process.
  doors.admin->StartStopping();
  CHECK(doors.Ask(Post("/admin/resume", "")).code == 503);
  CHECK(doors.LoadByGrpc().state() == v1::SERVER_STATE_DRAINING);
}

}  // namespace
}  // namespace waferline::app
