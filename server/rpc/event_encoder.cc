#include "server/rpc/event_encoder.h"

#include <algorithm>

#include "server/rpc/kv_params.h"
#include "server/rpc/rpc_status.h"
#include "server/text/tool_rules.h"

namespace waferline::rpc {
namespace {

v1::FinishReason ReasonOf(FinishReason reason) {
  switch (reason) {
    case FinishReason::kStop:
      return v1::FINISH_REASON_STOP;
    case FinishReason::kLength:
      return v1::FINISH_REASON_LENGTH;
    case FinishReason::kCancelled:
      return v1::FINISH_REASON_CANCELLED;
    case FinishReason::kDeadline:
      return v1::FINISH_REASON_DEADLINE;
    case FinishReason::kFailed:
      break;
  }
  return v1::FINISH_REASON_FAILED;
}

v1::ServiceTier TierOf(ServiceTier tier) {
  switch (tier) {
    case ServiceTier::kFlex:
      return v1::SERVICE_TIER_FLEX;
    case ServiceTier::kPriority:
      return v1::SERVICE_TIER_PRIORITY;
    case ServiceTier::kAuto:
    case ServiceTier::kDefault:
      break;
  }
  return v1::SERVICE_TIER_DEFAULT;
}

}  // namespace

v1::TokenOrigin OriginOf(const text::ServedModel& model) {
  return model.origin == text::TokenOrigin::kComputed ? v1::TOKEN_ORIGIN_COMPUTED
                                                      : v1::TOKEN_ORIGIN_EMULATED;
}

EventEncoder::EventEncoder(const DecodedRequest& decoded)
    : model_(decoded.model),
      prompt_(decoded.request.prompt),
      request_id_(decoded.request.request_id),
      end_ids_(decoded.request.sampling.end_ids),
      wants_logprobs_(decoded.request.sampling.top_logprobs >= 0),
      handed_over_(decoded.handed_over),
      include_reasoning_(decoded.include_reasoning),
      text_(decoded.model->tokenizer, decoded.form.text),
      splitter_(decoded.form.reasoning, decoded.form.reasoning_opened,
                decoded.form.calls.has_value()) {
  if (decoded.request.prediction != nullptr) predicted_.emplace(decoded.request.prediction);
  if (decoded.form.calls) calls_.emplace(*decoded.form.calls, decoded.form.calls_forced);
}

EventEncoder::Seen EventEncoder::See(text::ReasoningSplitter::Parts parts, bool last) {
  Seen seen;
  if (include_reasoning_) seen.reasoning = std::move(parts.reasoning);
  if (!calls_) {
    seen.text = std::move(parts.answer);
    return seen;
  }
  const int before = calls_->calls();
  auto read = calls_->Feed(parts.answer);
  if (last) {
    for (auto& part : calls_->Finish()) read.push_back(std::move(part));
  }
  int call = before - 1;
  for (auto& part : read) {
    if (part.kind == text::ToolCallReader::Part::kText) {
      seen.text += part.text;
      continue;
    }
    const bool begins = part.kind == text::ToolCallReader::Part::kCall;
    if (begins) ++call;
    v1::ToolCallPart& out = seen.calls.emplace_back();
    out.set_index(static_cast<uint32_t>(call));
    if (begins) {
      out.set_id(text::CallId(calls_->form(), {.request_id = request_id_, .call = call}));
      out.set_name(std::move(part.text));
    } else {
      out.set_arguments(std::move(part.text));
    }
  }
  return seen;
}

v1::Admitted EventEncoder::Admitted() const {
  v1::Admitted admitted;
  admitted.set_request_id(request_id_);
  admitted.set_model(model_->name);
  admitted.set_prompt_tokens(static_cast<uint32_t>(prompt_->size()));
  return admitted;
}

v1::PromptLogprobs EventEncoder::PromptLogprobs(const std::vector<TokenValue>& values) const {
  v1::PromptLogprobs logprobs;
  for (const TokenValue& value : values) {
    v1::Token* token = logprobs.add_tokens();
    token->set_id(value.id);
    token->set_text(text::TextOf(*model_->tokenizer, value.id).text);
    SetLogprobs(value, token);
  }
  return logprobs;
}

bool EventEncoder::Token(const TokenEvent& event, v1::Token* token) {
  const TokenId id = event.value->id;
  token->set_id(id);
  token->set_since_arrival_ns(event.since_arrival.count());
  if (wants_logprobs_) SetLogprobs(*event.value, token);
  last_ = id;
  if (Ends(id)) return false;
  if (splitter_.reasoning()) {
    ++reasoning_tokens_;
  } else if (predicted_) {
    predicted_->Append(id);
  }
  text::TextStream::Delta delta = text_.Feed(id);
  Seen seen = See(splitter_.Feed(delta.text), false);
  if (!seen.text.empty()) token->set_text(std::move(seen.text));
  if (!seen.reasoning.empty()) token->set_reasoning(std::move(seen.reasoning));
  for (v1::ToolCallPart& part : seen.calls) *token->add_tool_calls() = std::move(part);
  if (delta.stopped) stop_string_ = std::move(delta.stop);
  return delta.stopped;
}

v1::Finished EventEncoder::Finished(const Outcome& outcome) {
  v1::Finished finished;
  finished.set_reason(ReasonOf(outcome.reason));
  if (!outcome.status.ok()) {
    *finished.mutable_error() = ToRpcStatus(outcome.status, {.request_id = request_id_});
  }
  finished.mutable_usage()->set_prompt_tokens(outcome.prompt_tokens);
  finished.mutable_usage()->set_cached_prompt_tokens(outcome.cached_tokens);
  finished.mutable_usage()->set_completion_tokens(outcome.generated_tokens);
  if (predicted_) {
    finished.mutable_usage()->set_accepted_prediction_tokens(predicted_->accepted());
    finished.mutable_usage()->set_rejected_prediction_tokens(predicted_->rejected());
  }
  finished.mutable_times()->set_queue_ns(outcome.times.queue.count());
  finished.mutable_times()->set_prefill_ns(outcome.times.prefill.count());
  finished.mutable_times()->set_transfer_ns(outcome.times.transfer.count());
  finished.mutable_times()->set_decode_ns(outcome.times.decode.count());
  finished.mutable_usage()->set_reasoning_tokens(reasoning_tokens_);
  text::TextStream::Delta held = text_.Finish();
  if (held.stopped) stop_string_ = std::move(held.stop);
  text::ReasoningSplitter::Parts rest = splitter_.Feed(held.text);
  text::ReasoningSplitter::Parts end = splitter_.Finish();
  rest.reasoning += end.reasoning;
  rest.answer += end.answer;
  Seen seen = See(std::move(rest), true);
  finished.set_text(std::move(seen.text));
  finished.set_reasoning(std::move(seen.reasoning));
  for (v1::ToolCallPart& part : seen.calls) *finished.add_tool_calls() = std::move(part);
  finished.set_token_origin(OriginOf(*model_));
  finished.set_service_tier(TierOf(outcome.served));
  if (outcome.reason == FinishReason::kLength && !handed_over_.empty()) {
    WriteKvParams(handed_over_, finished.mutable_kv_transfer_params());
  }
  if (outcome.reason != FinishReason::kStop) return finished;
  if (calls_ && calls_->calls_are_whole()) finished.set_reason(v1::FINISH_REASON_TOOL_CALLS);
  if (!stop_string_.empty()) {
    finished.set_stop_string(stop_string_);
  } else if (Ends(last_)) {
    finished.set_stop_token_id(last_);
  }
  return finished;
}

bool EventEncoder::Ends(TokenId id) const {
  return std::find(end_ids_.begin(), end_ids_.end(), id) != end_ids_.end();
}

void EventEncoder::SetLogprobs(const TokenValue& value, v1::Token* token) const {
  token->set_logprob(value.logprob);
  for (const TokenLogprob& top : value.top) {
    v1::TokenLogprob* entry = token->add_top_logprobs();
    entry->set_id(top.id);
    entry->set_logprob(top.logprob);
    entry->set_piece(std::string(model_->tokenizer->Piece(top.id)));
  }
}

}  // namespace waferline::rpc
