#include "server/trace/request_trace.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/str_cat.h"

namespace waferline::trace {
namespace {

constexpr std::array<const char*, engine::kPhases> kStageNames = {"queue", "prefill", "transfer",
                                                                  "decode"};

}  // namespace

std::string OperationOf(std::string_view endpoint) {
  const bool completes =
      endpoint.ends_with("/completions") && !endpoint.ends_with("/chat/completions");
  return completes ? "text_completion" : endpoint == "grpc" ? "generate_content" : "chat";
}

const char* FinishName(FinishReason reason) {
  return reason == FinishReason::kFailed ? "error" : NameOf(reason);
}

RequestTrace::RequestTrace(Tracer* tracer, Tracer::Started started, TracedRequest request)
    : tracer_(tracer),
      started_(std::move(started)),
      request_(std::move(request)),
      choices_(request_.choices, Choice{.since = request_.received}) {}

void RequestTrace::AddStage(size_t choice, engine::Phase phase, Nanoseconds lasted) {
  Choice& at = choices_.at(choice);
  const Nanoseconds now = tracer_->Now();
  const Nanoseconds since = std::exchange(at.since, now);
  at.recorded[static_cast<size_t>(phase)] += lasted;
  if (stages_.size() + 1 >= kMaxSpans) {
    ++left_out_;
    return;
  }
  stages_.push_back({.name = kStageNames[static_cast<size_t>(phase)],
                     .trace_id = started_.context.trace_id,
                     .span_id = tracer_->NewSpanId(),
                     .parent_id = started_.context.span_id,
                     .begin_unix_ns = tracer_->UnixNs(since),
                     .end_unix_ns = tracer_->UnixNs(now),
                     .attributes = {{"waferline.emulated_ns", lasted.count()},
                                    {"waferline.choice", static_cast<int64_t>(choice)}}});
}

void RequestTrace::OnPhase(size_t choice, engine::Phase from, Nanoseconds lasted,
                           engine::Phase to) {
  MutexLock lock(&mutex_);
  AddStage(choice, from, lasted);
  choices_[choice].phase = to;
}

void RequestTrace::OnOutcome(size_t choice, const Outcome& outcome) {
  MutexLock lock(&mutex_);
  const RequestTimes& times = outcome.times;
  const Nanoseconds all[] = {times.queue, times.prefill, times.transfer, times.decode};
  const Choice& at = choices_.at(choice);
  const auto last = static_cast<size_t>(at.phase);
  AddStage(choice, at.phase, all[last] - at.recorded[last]);
  finish_reasons_.push_back(FinishName(outcome.reason));
  input_tokens_ += outcome.prompt_tokens;
  output_tokens_ += outcome.generated_tokens;
  emulated_ns_ = std::max(emulated_ns_, times.total().count());
  ended_ = tracer_->Now();
  if (status_.ok()) status_ = outcome.status;
}

void RequestTrace::Watch(const TokenSink* sink, size_t choice) {
  if (tracer_->phases() == nullptr) return;
  watched_.push_back(sink);
  tracer_->phases()->Watch(sink, this, choice);
}

void RequestTrace::OnRefused(const absl::Status& why) {
  MutexLock lock(&mutex_);
  ended_ = tracer_->Now();
  if (status_.ok()) status_ = why;
}

void RequestTrace::OnAnswered() {
  MutexLock lock(&mutex_);
  ended_ = tracer_->Now();
}

RequestTrace::~RequestTrace() {
  for (const TokenSink* sink : watched_) tracer_->phases()->Forget(sink, this);
  std::vector<Span> spans;
  {
    MutexLock lock(&mutex_);
    Span whole{.name = absl::StrCat(request_.operation, " ", request_.model),
               .kind = Span::Kind::kServer,
               .trace_id = started_.context.trace_id,
               .span_id = started_.context.span_id,
               .parent_id = started_.parent_id,
               .state = started_.context.state,
               .begin_unix_ns = tracer_->UnixNs(request_.received),
               .end_unix_ns = tracer_->UnixNs(ended_.value_or(tracer_->Now())),
               .attributes = {{"gen_ai.operation.name", request_.operation},
                              {"gen_ai.provider.name", "waferline"},
                              {"gen_ai.request.model", request_.model},
                              {"gen_ai.response.model", request_.model},
                              {"gen_ai.response.id", request_.request_id},
                              {"gen_ai.usage.input_tokens", input_tokens_},
                              {"gen_ai.usage.output_tokens", output_tokens_},
                              {"gen_ai.response.finish_reasons", finish_reasons_},
                              {"waferline.emulated_ns", emulated_ns_}},
               .status = status_};
    if (left_out_ > 0) whole.attributes.emplace_back("waferline.spans_left_out", left_out_);
    if (!status_.ok()) {
      whole.attributes.emplace_back("error.type", absl::StatusCodeToString(status_.code()));
    }
    spans = std::move(stages_);
    spans.push_back(std::move(whole));
  }
  tracer_->sink()->Add(std::move(spans));
}

}  // namespace waferline::trace
