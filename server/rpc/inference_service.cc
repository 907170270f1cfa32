#include "server/rpc/inference_service.h"

#include <algorithm>
#include <utility>

#include "server/rpc/authentication.h"
#include "server/rpc/call_metadata.h"
#include "server/rpc/generate_once.h"
#include "server/rpc/generate_stream.h"
#include "server/rpc/rpc_status.h"
#include "server/serving/access.h"
#include "wafer_backend/base/status.h"

namespace waferline::rpc {
namespace {

v1::Model Describe(const text::ServedModel& model) {
  v1::Model result;
  result.set_id(model.name);
  result.set_context_length(static_cast<uint32_t>(model.context_tokens.count()));
  result.set_vocabulary_size(static_cast<uint32_t>(model.tokenizer->size()));
  result.set_token_origin(OriginOf(model));
  result.set_description(model.origin_label);
  result.set_tokenizer(model.tokenizer->Description());
  if (model.chat.ok()) result.set_chat_template(model.chat->name());
  result.set_created_unix_s(model.created_unix_s);
  return result;
}

}  // namespace

std::string InferenceService::RequestId(grpc::CallbackServerContext* context,
                                        const v1::GenerateRequest& request) const {
  std::string id = serving::IsRequestId(request.request_id())
                       ? request.request_id()
                       : deps_.server->ids->IdFor(MetadataOf(*context, "x-request-id"));
  EchoMetadata(context, id);
  return id;
}

absl::StatusOr<DecodedRequest> InferenceService::Decode(grpc::CallbackServerContext* context,
                                                        const v1::GenerateRequest& request,
                                                        const tenancy::Caller& caller,
                                                        const std::string& request_id) const {
  const serving::ServerDeps& server = *deps_.server;
  const CallFacts facts{.request_id = request_id,
                        .tenant = caller.tenant,
                        .fallback_seed = server.ids->NewSeed(),
                        .unix_seconds = server.clock.unix_seconds()};
  absl::StatusOr<DecodedRequest> read = DecodeGenerate(request, facts, *models_);
  if (!read.ok()) {
    if (const auto own = OwnArrivalOf(request.scheduling())) server.front_door->Skip(*own);
    return read.status();
  }
  DecodedRequest decoded = *std::move(read);
  WL_RETURN_IF_ERROR(serving::AuthorizeModel(caller, decoded.model->name));
  decoded.caller = caller;

  const auto deadline = context->deadline();
  const bool has_deadline = deadline != std::chrono::system_clock::time_point::max();
  const auto& until = server.clock.emulated_until;
  const auto left = until && has_deadline ? until(deadline) : std::nullopt;
  if (left) {
    ValidRequest& valid = decoded.request;
    const Nanoseconds at_least_now = std::max(*left, Nanoseconds(1));
    valid.deadline = valid.deadline ? std::min(*valid.deadline, at_least_now) : at_least_now;
  }
  return decoded;
}

void InferenceService::Begin(grpc::CallbackServerContext* context,
                             const v1::GenerateRequest& request,
                             const std::shared_ptr<LiveCall>& call) const {
  call->Open();
  auto caller = Authenticate(*context, *deps_.server);
  if (!caller.ok()) return call->Refuse(caller.status());
  const auto decoded =
      std::make_shared<absl::StatusOr<DecodedRequest>>(absl::UnknownError("not read yet"));
  const auto decode = [this, context, &request, caller = *caller, call, decoded] {
    *decoded = Decode(context, request, caller, call->request_id());
  };
  const auto submit = [call, decoded](const absl::Status& status) {
    if (!decoded->ok()) return call->Refuse(decoded->status());
    if (!status.ok()) return call->Refuse(status);
    call->Submit(**std::move(decoded));
  };
  const auto compile = [decoded] {
    return decoded->ok() ? CompileConstraint(&**decoded) : absl::OkStatus();
  };
  const bool quick = request.ByteSizeLong() <= serving::kMaxQuickBytes;
  if (quick) {
    decode();
    if (!decoded->ok() || FindConstraint(&**decoded)) return submit(absl::OkStatus());
  }
  deps_.server->texts->Run([quick, decode, compile, submit, call](const absl::Status& may_run) {
    if (!may_run.ok()) return call->Refuse(may_run, serving::TextWorker::kRetryAfter);
    if (!quick) decode();
    submit(compile());
  });
}

grpc::ServerWriteReactor<v1::GenerateResponse>* InferenceService::Generate(
    grpc::CallbackServerContext* context, const v1::GenerateRequest* request) {
  auto call = std::make_shared<GenerateStream>(deps_, context, RequestId(context, *request));
  Begin(context, *request, call);
  return call.get();
}

grpc::ServerUnaryReactor* InferenceService::GenerateOnce(grpc::CallbackServerContext* context,
                                                         const v1::GenerateOnceRequest* request,
                                                         v1::GenerateOnceResponse* response) {
  auto call = std::make_shared<rpc::GenerateOnce>(deps_, context,
                                                  RequestId(context, request->request()), response);
  Begin(context, request->request(), call);
  return call.get();
}

grpc::ServerUnaryReactor* InferenceService::Answer(grpc::CallbackServerContext* context,
                                                   size_t bytes,
                                                   std::function<absl::Status()> work) const {
  const absl::StatusOr<tenancy::Caller> caller = Authenticate(*context, *deps_.server);
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  if (!caller.ok() || bytes <= serving::kMaxQuickBytes) {
    reactor->Finish(ToGrpcStatus(caller.ok() ? work() : caller.status()));
    return reactor;
  }
  deps_.server->texts->Run([reactor, work = std::move(work)](const absl::Status& may_run) {
    reactor->Finish(may_run.ok()
                        ? ToGrpcStatus(work())
                        : ToGrpcStatus(may_run, {.retry_after = serving::TextWorker::kRetryAfter}));
  });
  return reactor;
}

grpc::ServerUnaryReactor* InferenceService::Tokenize(grpc::CallbackServerContext* context,
                                                     const v1::TokenizeRequest* request,
                                                     v1::TokenizeResponse* response) {
  return Answer(context, request->ByteSizeLong(), [=, this]() -> absl::Status {
    WL_ASSIGN_OR_RETURN(const auto model, FindModel(request->model(), *models_));
    const model::EncodeOptions options{
        .add_special = !request->has_add_special_tokens() || request->add_special_tokens(),
        .parse_special = !request->has_parse_special() || request->parse_special()};
    absl::StatusOr<std::vector<TokenId>> ids = FieldError("input", "is missing: give text or chat");
    if (request->has_text()) ids = DecodeText(request->text(), options, *model);
    if (request->has_chat()) {
      ids = DecodeChat(request->chat(), *model, deps_.server->clock.unix_seconds());
    }
    WL_RETURN_IF_ERROR(ids.status());
    for (const TokenId id : *ids) {
      response->add_token_ids(id);
      response->add_pieces(std::string(model->tokenizer->Piece(id)));
    }
    response->set_context_length(static_cast<uint32_t>(model->context_tokens.count()));
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* InferenceService::Detokenize(grpc::CallbackServerContext* context,
                                                       const v1::DetokenizeRequest* request,
                                                       v1::DetokenizeResponse* response) {
  return Answer(context, request->ByteSizeLong(), [=, this]() -> absl::Status {
    WL_ASSIGN_OR_RETURN(const auto model, FindModel(request->model(), *models_));
    WL_ASSIGN_OR_RETURN(*response->mutable_text(), DecodeIdsToText(request->token_ids(), *model));
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* InferenceService::ListModels(grpc::CallbackServerContext* context,
                                                       const v1::ListModelsRequest* request,
                                                       v1::ListModelsResponse* response) {
  return Answer(context, 0, [&] {
    for (const auto& model : models_->all()) *response->add_models() = Describe(*model);
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* InferenceService::GetModel(grpc::CallbackServerContext* context,
                                                     const v1::GetModelRequest* request,
                                                     v1::GetModelResponse* response) {
  return Answer(context, 0, [&]() -> absl::Status {
    WL_ASSIGN_OR_RETURN(const auto model, FindModel(request->model(), *models_));
    *response->mutable_model() = Describe(*model);
    return absl::OkStatus();
  });
}

}  // namespace waferline::rpc
