// BillingService.StreamUsage: pages of records until there are no more, or for as long as the
// client follows.
#include "server/accounts/usage_stream.h"

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "server/rpc/authentication.h"
#include "server/rpc/awaited.h"
#include "server/rpc/billing_service.h"
#include "server/rpc/rpc_status.h"
#include "wafer_backend/base/field_error.h"
#include "wafer_backend/base/status.h"

namespace waferline::rpc {
namespace {

constexpr int kMaxStreams = 16;
constexpr int64_t kPageRecords = 256;
constexpr Nanoseconds kLookAgain = Milliseconds(100);
constexpr std::chrono::seconds kStreamPatience{10};

v1::StreamUsageResponse MessageOf(const accounts::StreamedUsage& usage) {
  v1::StreamUsageResponse out;
  const billing::UsageRecord& record = usage.record;
  out.set_cursor(usage.cursor.Text());
  out.set_usage_id(record.id);
  out.set_tenant(record.tenant);
  out.set_project(record.project);
  out.set_api_key_id(record.key);
  out.set_model(record.model);
  out.set_tier_asked(std::string(Name(record.asked)));
  out.set_tier(std::string(Name(record.served)));
  out.set_endpoint(usage.endpoint);
  out.set_request_id(usage.request_id);
  out.set_reason(usage.reason);
  out.set_admitted_unix_us(record.admitted_us);
  out.set_ended_unix_us(record.ended_us);
  out.set_prompt_tokens(record.prompt_tokens);
  out.set_cached_prompt_tokens(record.cached_tokens);
  out.set_completion_tokens(record.generated_tokens);
  out.set_system_ns(record.system_ns);
  out.set_accelerator_ns(record.accelerator_ns);
  out.set_microjoules(record.microjoules);
  out.set_cost_usd(usage.charge.Format());
  out.set_credited(usage.credited);
  return out;
}

}  // namespace

absl::Status BillingService::Stream(grpc::ServerContext& context,
                                    const v1::StreamUsageRequest& request,
                                    grpc::ServerWriter<v1::StreamUsageResponse>* writer) {
  WL_ASSIGN_OR_RETURN(const tenancy::Caller caller, AuthorizeUsage(context, deps_));
  std::vector<std::string> tenants(request.tenants().begin(), request.tenants().end());
  if (!caller.admin) tenants = {caller.tenant};
  absl::StatusOr<accounts::UsageCursor> cursor = accounts::UsageCursor::Parse(request.cursor());
  if (!cursor.ok()) {
    const std::string why(cursor.status().message());
    return WithField(absl::InvalidArgumentError("cursor: " + why), "cursor");
  }
  while (!context.IsCancelled()) {
    WL_ASSIGN_OR_RETURN(
        const accounts::UsagePage page,
        Awaited<absl::StatusOr<accounts::UsagePage>>(
            [&](auto done) {
              deps_.accounts->Ask<accounts::UsagePage>(
                  [question = accounts::UsageQuestion{.from = *cursor,
                                                      .tenants = tenants,
                                                      .now_us = NowSeconds() * 1'000'000,
                                                      .count = kPageRecords}](auto& connection) {
                    return ReadUsageStream(connection, question);
                  },
                  std::move(done));
            },
            kStreamPatience, "the database has not answered within 10 s"));
    const bool more = page.next.Text() != cursor->Text();
    for (const accounts::StreamedUsage& usage : page.records) {
      if (!writer->Write(MessageOf(usage))) return absl::CancelledError("the client disconnected");
    }
    *cursor = page.next;
    if (more) continue;
    if (!request.follow()) return absl::OkStatus();
    MutexLock lock(&pause_mutex_);
    pause_.WaitFor(&pause_mutex_, kLookAgain, [] { return false; });
  }
  return absl::CancelledError("the client disconnected, or the server is stopping");
}

grpc::Status BillingService::StreamUsage(grpc::ServerContext* context,
                                         const v1::StreamUsageRequest* request,
                                         grpc::ServerWriter<v1::StreamUsageResponse>* writer) {
  absl::Status status = absl::ResourceExhaustedError("16 streams of usage are open; close one");
  if (streams_.fetch_add(1) < kMaxStreams) status = Stream(*context, *request, writer);
  --streams_;
  return ToGrpcStatus(status);
}

}  // namespace waferline::rpc
