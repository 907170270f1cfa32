#include "server/registry/etcd_client.h"

#include <grpc/support/time.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_credentials_options.h>

#include "absl/strings/str_cat.h"
#include "server/runtime/host.h"
#include "wafer_backend/base/status.h"

namespace waferline::registry {
namespace {

// etcd closes connections that ping more often than each 5 s (--grpc-keepalive-min-time).
constexpr int kPingMs = 6'000;
constexpr int kPingAnswerMs = 2'000;
constexpr int kMaxReconnectMs = 1'000;
constexpr int kMaxAnswerBytes = 64 << 20;

void SetDeadline(grpc::ClientContext* context, Nanoseconds patience) {
  context->set_deadline(gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                                     gpr_time_from_nanos(patience.count(), GPR_TIMESPAN)));
}

absl::Status ToStatus(const grpc::Status& status, const std::string& endpoint) {
  if (status.ok()) return absl::OkStatus();
  // The library's own message says no more than that a deadline has passed.
  if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED) {
    return absl::DeadlineExceededError(absl::StrCat(
        "etcd does not answer at ", endpoint,
        ": is it running? Give the client ports of members that do, as etcd=HOST:2379, or "
        "etcd=https://HOST:2379 if they speak TLS"));
  }
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()),
                      absl::StrCat("etcd at ", endpoint, ": ", status.error_message()));
}

constexpr std::string_view kTls = "https://";
constexpr unsigned kReloadSeconds = 10;

std::shared_ptr<grpc::ChannelCredentials> CredentialsOf(const EtcdFiles& files) {
  namespace experimental = grpc::experimental;
  if (files.ca.empty()) {
    grpc::SslCredentialsOptions system;
    return grpc::SslCredentials(system);
  }
  experimental::TlsChannelCredentialsOptions options;
  if (files.cert.empty()) {
    options.set_certificate_provider(
        std::make_shared<experimental::FileWatcherCertificateProvider>(files.ca, kReloadSeconds));
  } else {
    options.set_certificate_provider(std::make_shared<experimental::FileWatcherCertificateProvider>(
        files.key, files.cert, files.ca, kReloadSeconds));
    options.watch_identity_key_cert_pairs();
  }
  options.watch_root_certs();
  return experimental::TlsCredentials(options);
}

bool NoAnswer(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status);
}

}  // namespace

std::string EndOf(std::string prefix) {
  prefix.back() = static_cast<char>(prefix.back() + 1);
  return prefix;
}

EtcdClient::EtcdClient(const Options& options)
    : options_(options), heard_(runtime::MonotonicNow().count()) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kPingMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kPingAnswerMs);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kMaxReconnectMs);
  arguments.SetMaxReceiveMessageSize(kMaxAnswerBytes);
  for (const std::string& endpoint : options.endpoints) {
    const bool tls = endpoint.starts_with(kTls);
    const auto channel = grpc::CreateCustomChannel(
        tls ? endpoint.substr(kTls.size()) : endpoint,
        tls ? CredentialsOf(options.tls) : grpc::InsecureChannelCredentials(), arguments);
    members_.push_back({endpoint, etcdserverpb::KV::NewStub(channel),
                        etcdserverpb::Lease::NewStub(channel),
                        etcdserverpb::Watch::NewStub(channel)});
  }
}

void EtcdClient::RecordAnswer() { heard_ = runtime::MonotonicNow().count(); }

template <typename Call>
absl::Status EtcdClient::AtSome(const Call& call) {
  absl::Status last = absl::InvalidArgumentError("etcd: no endpoint is given");
  for (size_t tries = 0; tries < members_.size(); ++tries) {
    const size_t index = current_;
    const Member& member = members_[index];
    grpc::ClientContext context;
    SetDeadline(&context, options_.call_patience);
    // A call that waits also polls the connection; without one gRPC looks at it each 5 s only.
    context.set_wait_for_ready(true);
    last = ToStatus(call(member, &context), member.endpoint);
    if (!NoAnswer(last)) {
      if (last.ok()) RecordAnswer();
      return last;
    }
    current_ = (index + 1) % members_.size();
  }
  return absl::UnavailableError(last.message());
}

absl::StatusOr<etcdserverpb::RangeResponse> EtcdClient::List(const std::string& prefix,
                                                             int64_t limit) {
  etcdserverpb::RangeRequest request;
  request.set_key(prefix);
  request.set_range_end(EndOf(prefix));
  request.set_limit(limit);
  etcdserverpb::RangeResponse response;
  WL_RETURN_IF_ERROR(AtSome([&](const Member& member, grpc::ClientContext* context) {
    return member.kv->Range(context, request, &response);
  }));
  if (response.more()) {
    return absl::ResourceExhaustedError(
        absl::StrCat("etcd has ", response.count(), " keys below ", prefix, ", at most ", limit));
  }
  return response;
}

absl::StatusOr<etcdserverpb::TxnResponse> EtcdClient::Txn(const etcdserverpb::TxnRequest& request) {
  etcdserverpb::TxnResponse response;
  WL_RETURN_IF_ERROR(AtSome([&](const Member& member, grpc::ClientContext* context) {
    return member.kv->Txn(context, request, &response);
  }));
  return response;
}

absl::StatusOr<int64_t> EtcdClient::Grant(int64_t ttl_s) {
  etcdserverpb::LeaseGrantRequest request;
  request.set_ttl(ttl_s);
  etcdserverpb::LeaseGrantResponse response;
  WL_RETURN_IF_ERROR(AtSome([&](const Member& member, grpc::ClientContext* context) {
    return member.lease->LeaseGrant(context, request, &response);
  }));
  if (!response.error().empty()) return absl::UnavailableError("etcd: " + response.error());
  return response.id();
}

absl::Status EtcdClient::Renew(int64_t lease) {
  etcdserverpb::LeaseKeepAliveRequest request;
  request.set_id(lease);
  etcdserverpb::LeaseKeepAliveResponse response;
  // A stream of its own each time: a member that does not answer is left at once.
  WL_RETURN_IF_ERROR(AtSome([&](const Member& member, grpc::ClientContext* context) {
    const auto stream = member.lease->LeaseKeepAlive(context);
    const bool answered = stream->Write(request) && stream->Read(&response);
    stream->WritesDone();
    if (answered) context->TryCancel();
    const grpc::Status status = stream->Finish();
    if (answered) return grpc::Status::OK;
    return status.ok() ? grpc::Status(grpc::StatusCode::UNAVAILABLE, "no answer") : status;
  }));
  if (response.ttl() > 0) return absl::OkStatus();
  return absl::NotFoundError("the lease is over");
}

absl::Status EtcdClient::Revoke(int64_t lease) {
  etcdserverpb::LeaseRevokeRequest request;
  request.set_id(lease);
  etcdserverpb::LeaseRevokeResponse response;
  return AtSome([&](const Member& member, grpc::ClientContext* context) {
    return member.lease->LeaseRevoke(context, request, &response);
  });
}

absl::Status EtcdClient::Watch(const std::string& prefix, int64_t revision,
                               const TakeChange& take) {
  const Member& member = members_[current_];
  grpc::ClientContext context;
  // A member without a leader ends the stream instead of staying silent.
  context.AddMetadata("hasleader", "true");
  {
    const MutexLock lock(&mutex_);
    if (stopped_) return absl::CancelledError("stopped");
    watching_ = &context;
  }
  etcdserverpb::WatchRequest request;
  request.mutable_create_request()->set_key(prefix);
  request.mutable_create_request()->set_range_end(EndOf(prefix));
  request.mutable_create_request()->set_start_revision(revision);
  const auto stream = member.watch->Watch(&context);
  etcdserverpb::WatchResponse response;
  absl::Status ended;
  if (stream->Write(request)) {
    while (ended.ok() && stream->Read(&response)) {
      RecordAnswer();
      if (response.compact_revision() > 0) {
        ended = absl::OutOfRangeError("changes are compacted");
      } else if (response.created() && response.header().revision() + 1 < revision) {
        ended = absl::OutOfRangeError("etcd was restored: its revision is smaller than before");
      } else if (response.canceled()) {
        ended = absl::UnavailableError("etcd ended the watch: " + response.cancel_reason());
      } else if (!take(response)) {
        ended = absl::CancelledError("no more is wanted");
      }
    }
  }
  context.TryCancel();
  const grpc::Status status = stream->Finish();
  const MutexLock lock(&mutex_);
  watching_ = nullptr;
  if (!ended.ok()) return ended;
  return status.ok() ? absl::UnavailableError("etcd ended the watch")
                     : ToStatus(status, member.endpoint);
}

void EtcdClient::EndWatch() {
  const MutexLock lock(&mutex_);
  if (watching_ != nullptr) watching_->TryCancel();
}

void EtcdClient::Stop() {
  const MutexLock lock(&mutex_);
  stopped_ = true;
  if (watching_ != nullptr) watching_->TryCancel();
}

}  // namespace waferline::registry
