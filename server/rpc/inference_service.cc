#include "server/rpc/inference_service.h"

#include <utility>

#include "server/rpc/authentication.h"
#include "server/rpc/chat_codec.h"
#include "server/rpc/generate_once.h"
#include "server/rpc/generate_stream.h"
#include "server/rpc/rpc_status.h"
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

// gRPC keeps a call's message until OnDone.
std::shared_ptr<const v1::GenerateRequest> BorrowedFromGrpc(const v1::GenerateRequest* request) {
  return {std::shared_ptr<const void>(), request};
}

}  // namespace

grpc::ServerWriteReactor<v1::GenerateResponse>* InferenceService::Generate(
    grpc::CallbackServerContext* context, const v1::GenerateRequest* request) {
  auto call = std::make_shared<GenerateStream>(deps_, context,
                                               intake_.RequestId(context, request->request_id()));
  intake_.Begin(context, BorrowedFromGrpc(request), call);
  return call.get();
}

grpc::ServerUnaryReactor* InferenceService::GenerateOnce(grpc::CallbackServerContext* context,
                                                         const v1::GenerateOnceRequest* request,
                                                         v1::GenerateOnceResponse* response) {
  auto call = std::make_shared<rpc::GenerateOnce>(
      deps_, context, intake_.RequestId(context, request->request().request_id()), response);
  intake_.Begin(context, BorrowedFromGrpc(&request->request()), call);
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
      auto chat = DecodeChat(request->chat(), *model, deps_.server->clock.unix_seconds());
      ids =
          chat.ok() ? absl::StatusOr<std::vector<TokenId>>(std::move(chat->prompt)) : chat.status();
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
