#include "server/trace/otlp/exporter.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <iterator>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "proto/opentelemetry/proto/collector/trace/v1/trace_service.grpc.pb.h"
#include "wafer_backend/base/mutex.h"
#include "wafer_backend/base/status.h"

namespace waferline::trace {
namespace {

namespace collector = opentelemetry::proto::collector::trace::v1;

class OtlpExporter final : public Exporter {
 public:
  OtlpExporter(ExporterOptions options, const std::shared_ptr<grpc::Channel>& channel)
      : options_(std::move(options)),
        stub_(collector::TraceService::NewStub(channel)),
        thread_([this] { Run(); }) {}

  ~OtlpExporter() override {
    {
      MutexLock lock(&mutex_);
      ends_ = true;
    }
    changed_.NotifyAll();
    thread_.join();
  }

  void Add(std::vector<Span> spans) override {
    {
      MutexLock lock(&mutex_);
      if (queue_.size() + spans.size() > kMaxQueued) {
        counts_.dropped += spans.size();
        return;
      }
      std::move(spans.begin(), spans.end(), std::back_inserter(queue_));
      if (queue_.size() < kMaxBatch) return;
    }
    changed_.NotifyAll();
  }

  Counts counts() const override {
    MutexLock lock(&mutex_);
    return counts_;
  }

 private:
  void Run() {
    bool reachable = true;
    while (true) {
      std::vector<Span> batch;
      bool last;
      {
        MutexLock lock(&mutex_);
        changed_.WaitFor(&mutex_, kInterval, [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
          return ends_ || queue_.size() >= kMaxBatch;
        });
        last = ends_;
        const size_t size = last ? queue_.size() : std::min(queue_.size(), kMaxBatch);
        batch.assign(std::make_move_iterator(queue_.begin()),
                     std::make_move_iterator(queue_.begin() + static_cast<ptrdiff_t>(size)));
        queue_.erase(queue_.begin(), queue_.begin() + static_cast<ptrdiff_t>(size));
      }
      if (!batch.empty()) Send(batch, &reachable);
      if (last) return;
    }
  }

  void Send(const std::vector<Span>& batch, bool* reachable) {
    grpc::ClientContext context;
    context.set_deadline(options_.wall_after(kPatience));
    collector::ExportTraceServiceResponse answer;
    const grpc::Status status =
        stub_->Export(&context, EncodeSpans(options_.service, batch), &answer);
    const uint64_t rejected =
        status.ok()
            ? static_cast<uint64_t>(std::max<int64_t>(0, answer.partial_success().rejected_spans()))
            : batch.size();
    {
      MutexLock lock(&mutex_);
      counts_.failed += std::min<uint64_t>(rejected, batch.size());
      counts_.exported += batch.size() - std::min<uint64_t>(rejected, batch.size());
    }
    if (status.ok() == std::exchange(*reachable, status.ok()) || !options_.on_remark) return;
    options_.on_remark(status.ok() ? absl::StrCat("spans reach ", options_.endpoint, " again")
                                   : absl::StrCat("spans do not reach ", options_.endpoint, ": ",
                                                  status.error_message()));
  }

  const ExporterOptions options_;
  const std::unique_ptr<collector::TraceService::Stub> stub_;
  mutable Mutex mutex_;
  CondVar changed_;
  std::vector<Span> queue_ ABSL_GUARDED_BY(mutex_);
  Counts counts_ ABSL_GUARDED_BY(mutex_);
  bool ends_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace

absl::StatusOr<OtlpEndpoint> ParseEndpoint(const std::string& endpoint) {
  OtlpEndpoint out{.target = endpoint};
  std::string& target = out.target;
  if (const size_t end = target.find("://"); end != std::string::npos) {
    const std::string scheme = target.substr(0, end);
    out.tls = scheme == "https";
    target.erase(0, end + 3);
    if (scheme != "http" && !out.tls) target.clear();
  }
  while (target.ends_with('/')) target.pop_back();
  const size_t colon = target.rfind(':');
  int port = 0;
  if (target.find('/') != std::string::npos || colon == 0 || colon == std::string::npos ||
      !absl::SimpleAtoi(target.substr(colon + 1), &port) || port < 1 || port > 65'535) {
    return absl::InvalidArgumentError(absl::StrCat(
        "'", endpoint, "' is not an endpoint; write http://HOST:4317 or https://HOST:4317"));
  }
  return out;
}

absl::StatusOr<std::unique_ptr<Exporter>> Exporter::Start(ExporterOptions options) {
  WL_ASSIGN_OR_RETURN(const OtlpEndpoint endpoint, ParseEndpoint(options.endpoint));
  auto channel =
      grpc::CreateChannel(endpoint.target, endpoint.tls ? grpc::SslCredentials({})
                                                        : grpc::InsecureChannelCredentials());
  return std::make_unique<OtlpExporter>(std::move(options), channel);
}

}  // namespace waferline::trace
