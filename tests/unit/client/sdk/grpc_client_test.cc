#include <catch2/catch.hpp>
#include <string>

#include "client/sdk/token_client.h"
#include "server/rpc/rpc_server.h"
#include "tests/unit/client/sdk/scripted_server.h"
#include "tests/unit/server/rpc/byte_models.h"
#include "tests/unit/server/rpc/echo_door.h"
#include "tests/unit/server/rpc/puppet_cloud.h"
#include "tests/unit/server/serving/plain_deps.h"

namespace waferline::sdk {
namespace {

struct Cloud {
  explicit Cloud(std::chrono::microseconds gap = {}) : door(gap) {
    auto started = rpc::RpcServer::Start(deps.With(&door, &models, &admin), {});
    REQUIRE(started.ok());
    server = *std::move(started);
    client = MakeGrpcClient(*ParseEndpoint("grpc://127.0.0.1:" + std::to_string(server->port())));
  }
  ~Cloud() {
    server->Shutdown();
  }  // before the door, which it uses, and after which it goes itself
  text::ModelCatalog models = ByteModels(4096);
  PuppetAdmin admin;
  serving::PlainDeps deps;
  std::unique_ptr<rpc::RpcServer> server;
  EchoDoor door;
  std::unique_ptr<TokenClient> client;
};

TEST_CASE("gRPC: text, token counts, instants, usage and times arrive") {
  Cloud cloud;
  std::string text;
  uint32_t tokens = 0;
  std::vector<Nanoseconds> instants;
  const Ending ending =
      Run(*cloud.client, {.model = "bytes", .prompt = std::string("hi"), .max_tokens = 30},
          [&](const Piece& piece) {
            text += piece.text;
            tokens += piece.tokens;
            instants.insert(instants.end(), piece.instants.begin(), piece.instants.end());
          });
  CHECK(ending.status.ok());
  CHECK(text == "abcdefghijklmnopqrstuvwxyzabcd");
  CHECK(tokens == 30);
  REQUIRE(instants.size() == 30);
  CHECK(instants[0] == Milliseconds(5));
  CHECK(instants[29] == Milliseconds(34));
  CHECK(ending.finish_reason == "length");
  CHECK(ending.prompt_tokens == 3u);
  CHECK(ending.completion_tokens == 30u);
  REQUIRE(ending.times.has_value());
  CHECK(ending.times->prompt == Milliseconds(4));
  CHECK(ending.times->total == Milliseconds(35));
}

TEST_CASE("gRPC: a chat and token ids are prompts too, and errors keep their code") {
  Cloud cloud;
  const auto status = [&](GenerateSpec spec) {
    spec.max_tokens = 3;
    return Run(*cloud.client, spec, [](const Piece&) {}).status;
  };
  CHECK(status({.model = "bytes", .prompt = std::vector<TokenId>{1, 2}}).ok());
  CHECK(status({.model = "bytes", .prompt = std::vector<ChatTurn>{{"user", "hi"}}}).ok());
  CHECK(status({.model = "gone", .prompt = std::string("x")}).code() ==
        absl::StatusCode::kNotFound);
  const absl::Status wrong = status({.model = "bytes", .prompt = std::string("x"), .top_p = 9});
  CHECK(wrong.code() == absl::StatusCode::kInvalidArgument);
  CHECK(std::string(wrong.message()).find("sampling.top_p") != std::string::npos);
}

TEST_CASE("gRPC: a server that says nothing costs a bounded time, and the error says how long") {
  const auto silent = [](const absl::Status& status) {
    INFO(status);
    CHECK(status.code() == absl::StatusCode::kDeadlineExceeded);
    CHECK(std::string(status.message()).find("nothing for 0.3 s") != std::string::npos);
    CHECK(std::string(status.message()).find("--timeout SECONDS") != std::string::npos);
  };
  SECTION("from the connection on") {
    const ScriptedServer server([](const std::string&, const auto& peer) {
      while (!peer.AwaitClose()) {
      }
      return false;
    });
    Endpoint endpoint = *ParseEndpoint("grpc://127.0.0.1:" + std::to_string(server.port()));
    endpoint.patience.answer = Milliseconds(300);
    const auto client = MakeGrpcClient(endpoint);
    silent(client->ListModels().status());
    silent(client->ScheduleDigest().status());
    silent(client->ApplyFault({.kind = "unit_lost", .model = "m"}));
    silent(Run(*client, {.prompt = std::string("x")}, [](const Piece&) {}).status);
  }
  SECTION("within a stream") {
    Cloud cloud(std::chrono::seconds(3));
    Endpoint endpoint = *ParseEndpoint("grpc://127.0.0.1:" + std::to_string(cloud.server->port()));
    endpoint.patience.stream = Milliseconds(300);
    silent(Run(*MakeGrpcClient(endpoint),
               {.model = "bytes", .prompt = std::string("x"), .max_tokens = 9}, [](const Piece&) {})
               .status);
  }
}

TEST_CASE("gRPC: Cancel ends the call, and its request") {
  Cloud cloud(std::chrono::milliseconds(1));
  std::shared_ptr<TokenClient::Call> call;
  const Ending ending = Run(
      *cloud.client, {.model = "bytes", .prompt = std::string("x"), .max_tokens = 4000},
      [](const Piece&) {}, [](std::shared_ptr<TokenClient::Call> started) { started->Cancel(); });
  CHECK(ending.status.code() == absl::StatusCode::kCancelled);
}

TEST_CASE("gRPC: models are listed, and a server that is not there is reported") {
  Cloud cloud;
  const auto models = cloud.client->ListModels();
  REQUIRE(models.ok());
  REQUIRE(models->size() == 2);
  CHECK((*models)[0].id == "bytes");
  CHECK((*models)[0].context_length == 4096);
  cloud.server->Shutdown();
  const auto result = cloud.client->ListModels();
  CHECK(result.status().code() == absl::StatusCode::kUnavailable);
  CHECK(std::string(result.status().message()).find("make serve") != std::string::npos);
}

}  // namespace
}  // namespace waferline::sdk
