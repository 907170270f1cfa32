#include "server/rpc/call_intake.h"

#include <algorithm>
#include <utility>

#include "server/rpc/authentication.h"
#include "server/rpc/call_metadata.h"
#include "server/serving/access.h"
#include "server/serving/limits.h"
#include "server/serving/request_rules.h"
#include "wafer_backend/base/status.h"

namespace waferline::rpc {

std::string CallIntake::RequestId(grpc::CallbackServerContext* context,
                                  const std::string& wanted) const {
  std::string id = serving::IsRequestId(wanted)
                       ? wanted
                       : deps_.server->ids->IdFor(MetadataOf(*context, "x-request-id"));
  context->AddInitialMetadata("x-request-id", id);
  return id;
}

absl::StatusOr<DecodedRequest> CallIntake::Decode(grpc::CallbackServerContext* context,
                                                  const v1::GenerateRequest& request,
                                                  const tenancy::Caller& caller,
                                                  const std::string& request_id) const {
  const serving::ServerDeps& server = *deps_.server;
  const CallFacts facts{.request_id = request_id,
                        .tenant = caller.tenant,
                        .fallback_seed = server.ids->NewSeed(),
                        .unix_seconds = server.clock.unix_seconds(),
                        .handoffs = server.handoffs};
  absl::StatusOr<DecodedRequest> read = DecodeGenerate(request, facts, *deps_.server->models);
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

void CallIntake::Begin(grpc::CallbackServerContext* context, const Message& message,
                       const std::shared_ptr<LiveCall>& call) const {
  call->Open();
  auto caller = Authenticate(*context, *deps_.server);
  if (!caller.ok()) return call->Refuse(caller.status());
  call->BelongsTo(caller->tenant);
  if (!message.ok()) return call->Refuse(message.status());
  const std::shared_ptr<const v1::GenerateRequest> request = *message;
  const auto decoded =
      std::make_shared<absl::StatusOr<DecodedRequest>>(absl::UnknownError("not read yet"));
  const auto decode = [this, context, request, caller = *caller, call, decoded] {
    *decoded = Decode(context, *request, caller, call->request_id());
  };
  const auto submit = [call, decoded](const absl::Status& status) {
    if (!decoded->ok()) return call->Refuse(decoded->status());
    if (!status.ok()) return call->Refuse(status);
    call->Submit(**std::move(decoded));
  };
  const auto compile = [decoded] {
    return decoded->ok() ? CompileConstraint(&**decoded) : absl::OkStatus();
  };
  const bool quick = request->ByteSizeLong() <= serving::kMaxQuickBytes;
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

}  // namespace waferline::rpc
