#include "wafer_backend/compute/plane/remote_prefill.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/compute/link/sent_status.h"
#include "wafer_backend/compute/plane/worker_checks.h"

namespace waferline::plane {

RemotePrefill::RemotePrefill(link::Reactor* reactor, Options options)
    : reactor_(reactor), options_(std::move(options)) {}

void RemotePrefill::Watch() {
  const Nanoseconds now = reactor_->Now();
  if (state_ == State::kConnecting && now > greet_by_) {
    return Fail(absl::DeadlineExceededError(
        absl::StrCat("the prefill worker at ", options_.endpoint,
                     " did not answer the greeting within twice its patience")));
  }
  if (!requested_ || connected_ || now <= connect_by_) return;
  requested_ = false;
  shard_loss_ = absl::DeadlineExceededError(
      "the prefill worker did not reach the shards within twice its patience");
}

void RemotePrefill::Connect(const membership::Credentials& driver) {
  if (state_ != State::kDown) return;
  state_ = State::kConnecting;
  greet_by_ = reactor_->Now() + kConnectPatience + 2 * options_.patience;
  ForgetShards();
  attempt_ = std::make_unique<link::ConnectAttempt>(
      reactor_, options_.endpoint, kConnectPatience,
      [this, driver](absl::StatusOr<std::unique_ptr<link::Connection>> result) {
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
        hello.model_fingerprint = options_.fingerprint;
        hello.credentials = driver;
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
        absl::StrCat(options_.endpoint, " is not a prefill worker (waferd --role prefill)"));
  }
  if (hello.model_fingerprint != options_.fingerprint) {
    return absl::FailedPreconditionError(
        absl::StrCat("the prefill worker at ", options_.endpoint,
                     " loaded a different model file than this server"));
  }
  WL_RETURN_IF_ERROR(CheckHello(hello));
  if (page_tokens_ != 0 && hello.page_tokens != page_tokens_) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the prefill worker came back with pages of ", hello.page_tokens, " positions, they were ",
        page_tokens_, "; restart it with its earlier options, or this server"));
  }
  page_tokens_ = hello.page_tokens;
  vocabulary_ = hello.vocabulary;
  width_ = hello.width;
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
  generation_ = shards.generation;
  connect_by_ = reactor_->Now() + 2 * options_.patience;
  Send(shards);
}

void RemotePrefill::Submit(prefill::PrefillJob job) {
  if (job.prompt_logprobs) logprobs_[job.id].wanted = job.prompt_tokens - 1;
  if (job.vector != PromptVector::kNone) logprobs_[job.id].vector = true;
  link::PrefillFrame frame;
  frame.job = job.id;
  frame.tokens = std::move(job.tokens);
  frame.prompt_tokens = job.prompt_tokens;
  frame.wants_prompt_logprobs = job.prompt_logprobs;
  frame.top_logprobs = job.top_logprobs;
  frame.vector = static_cast<uint32_t>(job.vector);
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
  const bool current = requested_ && answer.subject == generation_;
  if (!current) return absl::OkStatus();  // about shards that are gone
  const absl::Status status = link::StatusOf(answer.code, answer.message);
  connected_ = status.ok();
  if (!connected_) {
    requested_ = false;
    shard_loss_ = status;
  }
  return absl::OkStatus();
}

absl::Status RemotePrefill::On(const link::PromptLogprobsFrame& frame) {
  const auto found = logprobs_.find(frame.job);
  if (found == logprobs_.end()) return absl::OkStatus();  // cancelled
  Logprobs& logprobs = found->second;
  if (frame.values.size() > logprobs.wanted - logprobs.values.size()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the prefill worker sent more than the ", logprobs.wanted, " log-probabilities asked for"));
  }
  for (const link::WireLogprob& wire : frame.values) {
    WL_RETURN_IF_ERROR(CheckLogprob(wire, vocabulary_));
    TokenValue& value = logprobs.values.emplace_back();
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
  result.status = link::StatusOf(frame.code, frame.message);
  if (result.status.ok()) WL_RETURN_IF_ERROR(CheckLogits(frame.logits, 1, vocabulary_));
  result.logits = std::move(frame.logits);
  const auto found = logprobs_.find(frame.job);
  const size_t width = found != logprobs_.end() && found->second.vector ? width_ : 0;
  if (result.status.ok() && frame.vector.size() != width) {
    return absl::InvalidArgumentError(absl::StrCat("the prefill worker sent a vector of ",
                                                   frame.vector.size(), " numbers, not ", width));
  }
  result.vector = std::move(frame.vector);
  if (found != logprobs_.end()) {
    if (result.status.ok() && found->second.values.size() != found->second.wanted) {
      return absl::InvalidArgumentError(absl::StrCat("the prefill worker sent ",
                                                     found->second.values.size(), " of ",
                                                     found->second.wanted, " log-probabilities"));
    }
    result.prompt_logprobs = std::move(found->second.values);
    logprobs_.erase(found);
  }
  results_.prefilled.push_back(std::move(result));
  return absl::OkStatus();
}

absl::Status RemotePrefill::On(const link::HandedOffFrame& frame) {
  results_.handed_off.push_back({frame.job, link::StatusOf(frame.code, frame.message)});
  return absl::OkStatus();
}

}  // namespace waferline::plane
