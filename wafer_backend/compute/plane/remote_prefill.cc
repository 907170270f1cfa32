#include "wafer_backend/compute/plane/remote_prefill.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/compute/plane/remote_peer.h"

namespace waferline::plane {

RemotePrefill::RemotePrefill(link::Reactor* reactor, std::string endpoint, uint64_t fingerprint)
    : reactor_(reactor), endpoint_(std::move(endpoint)), fingerprint_(fingerprint) {}

void RemotePrefill::Connect() {
  if (state_ != State::kDown) return;
  state_ = State::kConnecting;
  ForgetShards();
  attempt_ = std::make_unique<link::ConnectAttempt>(
      reactor_, endpoint_, kConnectPatience,
      [this](absl::StatusOr<std::unique_ptr<link::Connection>> result) {
        if (!result.ok()) return Fail(result.status());
        connection_ = *std::move(result);
        outlet_ = std::make_unique<link::DriverToPrefill>(connection_.get());
        connection_->Start(
            [this](std::span<const uint8_t> bytes) {
              if (state_ == State::kUp) {
                return inlet_.Accept(bytes, [this](auto& frame) { return On(frame); });
              }
              return greeting_.Accept(
                  bytes, [this](const link::HelloFrame& hello) { return OnHello(hello); });
            },
            [this](const absl::Status& why) { Fail(why); });
        link::HelloFrame hello;
        hello.role = link::Role::kDriver;
        hello.model_fingerprint = fingerprint_;
        (void)link::GreetingOutlet(connection_.get()).Send(hello);
      });
}

void RemotePrefill::Fail(const absl::Status& why) {
  if (state_ == State::kDown) return;
  loss_ = {why, state_ == State::kUp};
  state_ = State::kDown;
  connection_.reset();
  ForgetShards();
  logprobs_.clear();
  results_ = {};
}

absl::Status RemotePrefill::OnHello(const link::HelloFrame& hello) {
  if (hello.role != link::Role::kPrefill) {
    return absl::FailedPreconditionError(
        absl::StrCat(endpoint_, " is not a prefill worker (waferd --role prefill)"));
  }
  if (fingerprint_ != 0 && hello.model_fingerprint != fingerprint_) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the prefill worker at ", endpoint_, " loaded a different model file than this server"));
  }
  page_tokens_ = hello.page_tokens;
  state_ = State::kUp;
  return absl::OkStatus();
}

template <typename Frame>
void RemotePrefill::Send(const Frame& frame) {
  if (state_ != State::kUp) return;
  const absl::Status status = outlet_->Send(frame);
  if (!status.ok()) Fail(status);
}

void RemotePrefill::SetShards(const link::ShardsFrame& shards) {
  requested_ = true;
  connected_ = false;
  Send(shards);
}

void RemotePrefill::Submit(prefill::PrefillJob job) {
  if (job.prompt_logprobs) logprobs_[job.id] = {};
  link::PrefillFrame frame;
  frame.job = job.id;
  frame.tokens = std::move(job.tokens);
  frame.prompt_tokens = job.prompt_tokens;
  frame.wants_prompt_logprobs = job.prompt_logprobs;
  frame.top_logprobs = job.top_logprobs;
  Send(frame);
}

void RemotePrefill::HandOff(uint64_t job, uint32_t slot) { Send(link::HandOffFrame{job, slot}); }

void RemotePrefill::Cancel(uint64_t job) {
  logprobs_.erase(job);
  std::erase_if(results_.prefilled, [job](const auto& result) { return result.id == job; });
  std::erase_if(results_.handed_off, [job](const auto& ended) { return ended.job == job; });
  Send(link::CancelFrame{job});
}

bool RemotePrefill::TakeResults(BackendEvents* events) {
  const bool any = !results_.prefilled.empty() || !results_.handed_off.empty();
  for (auto& result : results_.prefilled) events->prefilled.push_back(std::move(result));
  for (auto& ended : results_.handed_off) events->handed_off.push_back(std::move(ended));
  results_.prefilled.clear();
  results_.handed_off.clear();
  return any;
}

absl::Status RemotePrefill::On(const link::AnswerFrame& answer) {
  const absl::Status status = StatusOf(answer.code, answer.message);
  connected_ = requested_ && status.ok();
  if (!status.ok() && requested_) {
    requested_ = false;
    shard_loss_ = status;
  }
  return absl::OkStatus();
}

absl::Status RemotePrefill::On(const link::PromptLogprobsFrame& frame) {
  const auto found = logprobs_.find(frame.job);
  if (found == logprobs_.end()) return absl::OkStatus();  // cancelled
  for (const link::WireLogprob& wire : frame.values) {
    TokenValue& value = found->second.emplace_back();
    value.id = wire.id;
    value.logprob = wire.logprob;
    for (size_t i = 0; i < wire.top_ids.size(); ++i) {
      value.top.push_back({wire.top_ids[i], wire.top_logprobs[i]});
    }
  }
  return absl::OkStatus();
}

absl::Status RemotePrefill::On(link::PrefilledFrame& frame) {
  prefill::Prefilled result;
  result.id = frame.job;
  result.status = StatusOf(frame.code, frame.message);
  result.logits = std::move(frame.logits);
  if (const auto found = logprobs_.find(frame.job); found != logprobs_.end()) {
    result.prompt_logprobs = std::move(found->second);
    logprobs_.erase(found);
  }
  results_.prefilled.push_back(std::move(result));
  return absl::OkStatus();
}

absl::Status RemotePrefill::On(const link::HandedOffFrame& frame) {
  results_.handed_off.push_back({frame.job, StatusOf(frame.code, frame.message)});
  return absl::OkStatus();
}

}  // namespace waferline::plane
