#include "server/engines/openengine_services.h"

#include <deque>
#include <iterator>
#include <memory>
#include <string>
#include <utility>

#include "proto/openengine/v1/generation.grpc.pb.h"
#include "server/engines/openengine_control.h"
#include "server/engines/openengine_request.h"
#include "server/engines/openengine_response.h"
#include "server/rpc/call_intake.h"
#include "server/rpc/call_metadata.h"
#include "server/rpc/event_stream.h"

namespace waferline::engines {
namespace {

namespace oe = openengine::v1;

// Once admitted a request ends with an event and OK, whatever becomes of it.
class OpenEngineStream final : public rpc::EventStream,
                               public grpc::ServerWriteReactor<oe::GenerateResponse> {
 public:
  OpenEngineStream(const rpc::CallDeps& deps, grpc::CallbackServerContext* context,
                   OpenEngineForm form)
      : EventStream(deps, context, form.request_id), form_(std::move(form)) {}

  // Reactions.
  void OnWriteDone(bool ok) override {
    if (!ok) messages_.clear();
    if (!messages_.empty()) messages_.pop_front();
    if (messages_.empty()) return HandleWritten(ok);
    StartWrite(&messages_.front());
  }
  void OnCancel() override { HandleCancel(); }
  void OnDone() override { HandleDone(); }

 private:
  void OnAdmitted() override {}  // the protocol has no event for it
  void OnEnd(v1::Finished finished, const grpc::Status& status) override {
    End({.finished = std::move(finished), .status = grpc::Status::OK, .failed = !status.ok()});
  }
  absl::Status InOwnNames(const absl::Status& status) const override {
    return InOpenEngineNames(status);
  }
  void Write(const v1::GenerateResponse& event) override {
    auto messages = OpenEngineEvents(event, form_);
    messages_.assign(std::make_move_iterator(messages.begin()),
                     std::make_move_iterator(messages.end()));
    StartWrite(&messages_.front());
  }
  void Close(const grpc::Status& status) override { Finish(status); }

  const OpenEngineForm form_;
  std::deque<oe::GenerateResponse> messages_;  // of the write in flight and those after it
};

class OpenEngineInference final : public oe::Inference::CallbackService {
 public:
  OpenEngineInference(const EngineFacts& facts, const rpc::CallDeps& deps)
      : facts_(facts),
        deps_(deps),
        intake_(deps),
        model_ends_(ControlAnswers(deps, facts).model().tokenizer->end_ids()) {}

  grpc::ServerWriteReactor<oe::GenerateResponse>* Generate(
      grpc::CallbackServerContext* context, const oe::GenerateRequest* request) override {
    OpenEngineForm form{.request_id = intake_.RequestId(context, request->request_id()),
                        .text = WantsText(*request),
                        .model_ends = model_ends_};
    if (request->stopping().ignore_eos()) form.model_ends.clear();
    auto call = std::make_shared<OpenEngineStream>(deps_, context, std::move(form));
    intake_.Begin(context, Read(*context, *request), call);
    return call.get();
  }

 private:
  rpc::CallIntake::Message Read(const grpc::ServerContextBase& context,
                                const oe::GenerateRequest& request) const {
    auto read = ReadOpenEngineRequest(request, facts_);
    if (!read.ok()) return read.status();
    const absl::Status status =
        ReadOpenEngineMetadata(rpc::MetadataOf(context, "openengine-priority"),
                               rpc::MetadataOf(context, "openengine-target-dp-rank"), &*read);
    if (!status.ok()) return status;
    return std::make_shared<const v1::GenerateRequest>(*std::move(read));
  }

  const EngineFacts facts_;
  const rpc::CallDeps deps_;
  const rpc::CallIntake intake_;
  const std::vector<TokenId> model_ends_;
};

}  // namespace

std::vector<rpc::ExtraService> OpenEngineServices(const EngineFacts& facts) {
  return {{.name = oe::Inference::service_full_name(),
           .make = [facts](const rpc::CallDeps& deps) -> std::unique_ptr<grpc::Service> {
             return std::make_unique<OpenEngineInference>(facts, deps);
           }},
          {.name = oe::Control::service_full_name(),
           .make = [facts](const rpc::CallDeps& deps) -> std::unique_ptr<grpc::Service> {
             return std::make_unique<OpenEngineControl>(facts, deps);
           }}};
}

}  // namespace waferline::engines
