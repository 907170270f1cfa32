// TokenClient over waferline.v1.
#include <grpcpp/grpcpp.h>

#include <atomic>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/sdk/call_watch.h"
#include "client/sdk/fault_kinds.h"
#include "client/sdk/grpc_wire.h"
#include "client/sdk/token_client.h"
#include "proto/google/rpc/error_details.pb.h"
#include "proto/google/rpc/status.pb.h"
#include "proto/waferline/v1/inference.grpc.pb.h"
#include "proto/waferline/v1/operator.grpc.pb.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"

namespace waferline::sdk {
namespace {

using Clock = std::chrono::steady_clock;

std::chrono::nanoseconds Chrono(Nanoseconds time) { return std::chrono::nanoseconds(time.count()); }

void AddKey(const std::string& api_key, grpc::ClientContext* context) {
  if (!api_key.empty()) context->AddMetadata("authorization", "Bearer " + api_key);
}

// The context of a call that has one answer.
void Prepare(const Endpoint& endpoint, grpc::ClientContext* context) {
  AddKey(endpoint.api_key, context);
  context->set_deadline(std::chrono::system_clock::now() + Chrono(endpoint.patience.answer));
}

absl::Status StatusOf(const Endpoint& endpoint, const grpc::Status& status) {
  // Without details it is the transport that speaks, not the server.
  if (status.error_code() == grpc::StatusCode::UNAVAILABLE && status.error_details().empty()) {
    // The library's words for a port that takes connections and says nothing.
    if (status.error_message().find("before receiving SETTINGS") != std::string::npos) {
      return ServerSilent(endpoint, endpoint.patience.connect);
    }
    return ServerUnreachable(endpoint, status.error_message());
  }
  if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED &&
      status.error_details().empty()) {
    return ServerSilent(endpoint, endpoint.patience.answer);
  }
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()),
                      Absl(status.error_message()));
}

std::optional<Nanoseconds> RetryAfter(const grpc::Status& status) {
  google::rpc::Status details;
  if (!details.ParseFromString(status.error_details())) return std::nullopt;
  for (const auto& detail : details.details()) {
    google::rpc::RetryInfo retry;
    if (detail.UnpackTo(&retry)) {
      return Seconds(retry.retry_delay().seconds()) + Nanoseconds(retry.retry_delay().nanos());
    }
  }
  return std::nullopt;
}

class GrpcCall : public TokenClient::Call,
                 public WatchedCall,
                 public grpc::ClientReadReactor<v1::GenerateResponse> {
 public:
  GrpcCall(const Endpoint& endpoint, const GenerateSpec& spec, StreamListener listener,
           CallWatch* watch)
      : endpoint_(endpoint),
        request_(RequestFor(spec)),
        listener_(std::move(listener)),
        watch_(watch) {
    AddKey(spec.api_key.empty() ? endpoint_.api_key : spec.api_key, &context_);
  }

  void Begin(v1::InferenceService::Stub* stub, std::shared_ptr<GrpcCall> self) {
    Expect(endpoint_.patience.answer);
    watch_->Add(std::move(self));
    stub->async()->Generate(&context_, &request_, this);
    StartRead(&message_);
    StartCall();
  }

  void Cancel() override { context_.TryCancel(); }

  Clock::time_point silent_at() const override { return Clock::time_point(silent_at_.load()); }
  void EndAsSilent() override {
    silent_ = true;
    context_.TryCancel();
  }

  void OnReadInitialMetadataDone(bool ok) override {
    if (ok) Expect(endpoint_.patience.stream);
  }

  void OnReadDone(bool ok) override {
    if (!ok) return;
    Expect(endpoint_.patience.stream);
    if (message_.has_tokens()) {
      Piece piece;
      for (const v1::Token& token : message_.tokens().tokens()) {
        piece.text += token.text();
        piece.instants.push_back(Nanoseconds(token.since_arrival_ns()));
      }
      piece.tokens = static_cast<uint32_t>(piece.instants.size());
      if (!first_token_ && piece.tokens > 0) first_token_ = piece.instants.front();
      listener_.on_piece(piece);
    } else if (message_.has_finished()) {
      OnFinished(message_.finished());
    }
    StartRead(&message_);
  }

  void OnDone(const grpc::Status& status) override {
    ending_.status = silent_ && status.error_code() == grpc::StatusCode::CANCELLED
                         ? ServerSilent(endpoint_, Nanoseconds(bound_))
                         : StatusOf(endpoint_, status);
    ending_.retry_after = RetryAfter(status);
    listener_.on_end(ending_);
    watch_->Remove(this);  // may delete this
  }

 private:
  void Expect(Nanoseconds bound) {
    bound_ = bound.count();
    silent_at_ = Clock::now().time_since_epoch() + Chrono(bound);
  }

  void OnFinished(const v1::Finished& finished) {
    if (!finished.text().empty()) listener_.on_piece({.text = finished.text()});
    ending_.finish_reason = ReasonText(finished.reason());
    ending_.prompt_tokens = finished.usage().prompt_tokens();
    ending_.completion_tokens = finished.usage().completion_tokens();
    const v1::RequestTimes& times = finished.times();
    ending_.times = EmulatedTimes{.queue = Nanoseconds(times.queue_ns()),
                                  .prompt = Nanoseconds(times.prefill_ns() + times.transfer_ns()),
                                  .completion = Nanoseconds(times.decode_ns()),
                                  .total = Nanoseconds(times.queue_ns() + times.prefill_ns() +
                                                       times.transfer_ns() + times.decode_ns()),
                                  .first_token = first_token_};
  }

  const Endpoint endpoint_;
  const v1::GenerateRequest request_;
  StreamListener listener_;
  CallWatch* const watch_;
  std::atomic<Clock::duration> silent_at_{};
  std::atomic<int64_t> bound_ = 0;  // nanoseconds, up to then
  std::atomic<bool> silent_ = false;
  grpc::ClientContext context_;
  v1::GenerateResponse message_;
  Ending ending_;
  std::optional<Nanoseconds> first_token_;  // since arrival
};

std::shared_ptr<grpc::ChannelCredentials> CredentialsOf(const Endpoint& endpoint) {
  if (!endpoint.tls) return grpc::InsecureChannelCredentials();
  return grpc::SslCredentials({.pem_root_certs = endpoint.pem.ca,
                               .pem_private_key = endpoint.pem.key,
                               .pem_cert_chain = endpoint.pem.chain});
}

std::shared_ptr<grpc::Channel> ChannelTo(const Endpoint& endpoint) {
  grpc::ChannelArguments arguments;
  // The library's name for how long an attempt to connect may take.
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS,
                   static_cast<int>(endpoint.patience.connect.count() / 1'000'000));
  return grpc::CreateCustomChannel(endpoint.authority(), CredentialsOf(endpoint), arguments);
}

class GrpcClient : public TokenClient {
 public:
  explicit GrpcClient(const Endpoint& endpoint) : GrpcClient(endpoint, ChannelTo(endpoint)) {}

  std::shared_ptr<Call> Start(const GenerateSpec& spec, StreamListener listener) override {
    auto call = std::make_shared<GrpcCall>(endpoint_, spec, std::move(listener), &watch_);
    call->Begin(stub_.get(), call);
    return call;
  }

  absl::StatusOr<std::vector<ModelEntry>> ListModels() override {
    grpc::ClientContext context;
    Prepare(endpoint_, &context);
    v1::ListModelsResponse response;
    const grpc::Status status = stub_->ListModels(&context, {}, &response);
    if (!status.ok()) return StatusOf(endpoint_, status);
    std::vector<ModelEntry> models;
    for (const v1::Model& model : response.models()) {
      std::string details = model.description();
      if (!model.chat_template().empty()) details += "; chat: " + model.chat_template();
      models.push_back({.id = model.id(),
                        .context_length = model.context_length(),
                        .details = std::move(details)});
    }
    return models;
  }

  absl::StatusOr<std::string> ScheduleDigest() override {
    grpc::ClientContext context;
    Prepare(endpoint_, &context);
    v1::GetLoadResponse response;
    const grpc::Status status = operator_stub_->GetLoad(&context, {}, &response);
    if (!status.ok()) return StatusOf(endpoint_, status);
    return response.schedule_digest();
  }

  absl::Status ApplyFault(const FaultSpec& spec) override {
    v1::ApplyFaultRequest request;
    v1::Fault& fault = *request.mutable_fault();
    WL_ASSIGN_OR_RETURN(const v1::FaultKind kind, ParseFaultKind(spec.kind));
    fault.set_kind(kind);
    fault.set_model(spec.model);
    fault.set_index(spec.index);
    if (spec.factor) fault.set_factor(*spec.factor);
    if (spec.stage) fault.set_stage(*spec.stage);
    if (spec.place) fault.set_place(*spec.place);
    if (spec.column) fault.set_column(*spec.column);
    if (spec.row) fault.set_row(*spec.row);
    if (spec.links) fault.set_links(*spec.links);
    if (spec.spare_wafers) fault.set_spare_wafers(*spec.spare_wafers);
    if (spec.watts) fault.set_watts(*spec.watts);
    if (spec.clock_share) fault.set_clock_share(*spec.clock_share);
    grpc::ClientContext context;
    Prepare(endpoint_, &context);
    v1::ApplyFaultResponse response;
    const grpc::Status status = operator_stub_->ApplyFault(&context, request, &response);
    return status.ok() ? absl::OkStatus() : StatusOf(endpoint_, status);
  }

 private:
  GrpcClient(const Endpoint& endpoint, const std::shared_ptr<grpc::Channel>& channel)
      : endpoint_(endpoint),
        stub_(v1::InferenceService::NewStub(channel)),
        operator_stub_(v1::OperatorService::NewStub(channel)) {}

  const Endpoint endpoint_;
  const std::unique_ptr<v1::InferenceService::Stub> stub_;
  const std::unique_ptr<v1::OperatorService::Stub> operator_stub_;
  CallWatch watch_;  // ends first
};

}  // namespace

std::unique_ptr<TokenClient> MakeGrpcClient(const Endpoint& endpoint) {
  return std::make_unique<GrpcClient>(endpoint);
}

}  // namespace waferline::sdk
