// fuzzes: server/rpc server/engines
// Any message to any method of our gRPC services, of a server with a real connection: bytes, or a
// message of the method's fields. What reaches the engine keeps what the engine relies on, and each
// call ends: with answers of the method's type, or a refusal that says what is wrong.
#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "proto/google/rpc/status.pb.h"
#include "server/engines/openengine_services.h"
#include "server/engines/smg_services.h"
#include "server/engines/vllm_services.h"
#include "server/rpc/rpc_server.h"
#include "tests/fuzz/entry.h"
#include "tests/fuzz/message_recipe.h"
#include "tests/fuzz/valid_request_laws.h"
#include "tests/unit/server/rpc/byte_models.h"
#include "tests/unit/server/rpc/puppet_cloud.h"
#include "tests/unit/server/serving/plain_deps.h"
#include "wafer_backend/base/check.h"

namespace waferline::rpc {
namespace {

using google::protobuf::MessageFactory;
using google::protobuf::MethodDescriptor;

constexpr auto kPatience = std::chrono::seconds(20);

// Answers at once, with tokens as a model might give them.
class AnsweringDoor final : public FrontDoor {
 public:
  explicit AnsweringDoor(const text::ServedModel* model) : model_(*model) {}

  absl::StatusOr<Ticket> Submit(ValidRequest request) override {
    fuzz::CheckRequest(request, model_);
    Answer(request);
    return Ticket{0};
  }
  void Cancel(Ticket) override {}
  void Resume(Ticket) override {}

 private:
  static void Answer(const ValidRequest& request) {
    TokenSink& sink = *request.sink;
    sink.OnAdmitted();
    Outcome outcome{.reason = FinishReason::kLength,
                    .prompt_tokens = static_cast<uint32_t>(request.prompt->size())};
    if (request.sampling.prompt_logprobs) {
      sink.OnPromptLogprobs(std::vector<TokenValue>(request.prompt->size(), {.id = 'a'}));
    }
    constexpr TokenId kSaid[] = {'{', '"', 'a', '"', 0xff, 'b', '}', '<', 257};
    const auto count = std::min<uint32_t>(request.max_tokens, std::size(kSaid));
    while (outcome.generated_tokens < count) {
      const uint32_t index = outcome.generated_tokens++;
      if (SendToken(sink, index, kSaid[index]) == TokenSink::Verdict::kContinue) continue;
      outcome.reason = FinishReason::kStop;
      break;
    }
    sink.OnOutcome(outcome);
  }

  const text::ServedModel& model_;
};

// A server and its client, for as long as the fuzzer lives.
struct World {
  World() {
    const engines::EngineFacts facts{.model = "bytes", .model_source = "/models/bytes"};
    RpcOptions options;
    for (const auto& services : {engines::VllmServices(facts), engines::SmgServices(facts),
                                 engines::OpenEngineServices(facts)}) {
      options.extra.insert(options.extra.end(), services.begin(), services.end());
    }
    deps.accounts = &accounts;
    server = RpcServer::Start(deps, options).value();
    stub = std::make_unique<grpc::GenericStub>(grpc::CreateChannel(
        "127.0.0.1:" + std::to_string(server->port()), grpc::InsecureChannelCredentials()));
    std::vector<std::string> services = {"waferline.v1.InferenceService",
                                         "waferline.v1.OperatorService",
                                         "waferline.v1.BillingService"};
    for (const ExtraService& extra : options.extra) services.push_back(extra.name);
    for (const std::string& name : services) {
      const auto* known = google::protobuf::DescriptorPool::generated_pool();
      const auto* service = known->FindServiceByName(name);
      WL_CHECK(service != nullptr);
      for (int i = 0; i < service->method_count(); ++i) methods.push_back(service->method(i));
    }
  }

  text::ModelCatalog models = ByteModels(128, /*only_one=*/true);
  serving::PlainDeps plain;
  accounts::Accounts accounts{{.unix_us = [] { return int64_t{0}; },
                               .random_bytes = [](size_t size) { return std::string(size, 'r'); }}};
  AnsweringDoor door{models.all().front().get()};
  PuppetAdmin admin;
  serving::ServerDeps deps = plain.With(&door, &models, &admin);
  std::unique_ptr<RpcServer> server;
  std::unique_ptr<grpc::GenericStub> stub;
  std::vector<const MethodDescriptor*> methods;
};

// A call with one message, to its end.
class Call {
 public:
  Call(grpc::GenericStub* stub, const MethodDescriptor& method) {
    context_.set_deadline(std::chrono::system_clock::now() + kPatience);
    call_ = stub->PrepareCall(&context_, "/" + method.service()->full_name() + "/" + method.name(),
                              &queue_);
  }
  grpc::Status Ask(const std::string& message, std::vector<grpc::ByteBuffer>* answers) {
    call_->StartCall(nullptr);
    Await();
    const grpc::Slice slice(message);
    call_->WriteLast(grpc::ByteBuffer(&slice, 1), {}, nullptr);
    Await();
    for (;;) {
      call_->Read(&answers->emplace_back(), nullptr);
      if (!Await()) break;
    }
    answers->pop_back();
    grpc::Status status;
    call_->Finish(&status, nullptr);
    Await();
    return status;
  }

 private:
  // Whether what was begun last has succeeded.
  bool Await() {
    void* tag = nullptr;
    bool ok = false;
    WL_CHECK(queue_.Next(&tag, &ok));
    return ok;
  }

  grpc::CompletionQueue queue_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> call_;
};

void CheckRefusal(const MethodDescriptor& method, const grpc::Status& status) {
  const grpc::StatusCode code = status.error_code();
  const bool named = code == grpc::INVALID_ARGUMENT || code == grpc::NOT_FOUND ||
                     code == grpc::FAILED_PRECONDITION || code == grpc::UNIMPLEMENTED;
  google::rpc::Status details;
  if (named && !status.error_message().empty() && details.ParseFromString(status.error_details()) &&
      details.code() == code) {
    return;
  }
  fprintf(stderr, "%s: status %d: %s\n", method.full_name().c_str(), code,
          status.error_message().c_str());
  WL_CHECK(false);
}

}  // namespace
}  // namespace waferline::rpc

void waferline::fuzz::Run(Input input) {
  using namespace waferline::rpc;
  static auto* const world = new World;
  const MethodDescriptor& method = *world->methods[input.Below(world->methods.size())];
  const std::string message =
      input.Byte() < 64 ? input.Text() : fuzz::MessageRecipe(&input).Make(*method.input_type());
  std::vector<grpc::ByteBuffer> answers;
  const grpc::Status status = Call(world->stub.get(), method).Ask(message, &answers);
  const auto& type = *MessageFactory::generated_factory()->GetPrototype(method.output_type());
  const std::unique_ptr<google::protobuf::Message> answer(type.New());
  for (grpc::ByteBuffer& one : answers) {
    grpc::Slice whole;
    WL_CHECK(one.DumpToSingleSlice(&whole).ok());
    WL_CHECK(answer->ParseFromArray(whole.begin(), static_cast<int>(whole.size())));
  }
  if (!status.ok()) return CheckRefusal(method, status);
  WL_CHECK(method.server_streaming() || answers.size() == 1);
}
