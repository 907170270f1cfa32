#include "server/rpc/call_meter.h"

#include <utility>

namespace waferline::rpc {

CallMeter::CallMeter(const RpcParts* parts, const ValidRequest& request)
    : parts_(parts),
      tenant_(request.tenant),
      model_(request.model),
      charged_tokens_(static_cast<int64_t>(request.prompt->size()) + request.max_tokens),
      received_(Now()) {}

std::optional<Refusal> CallMeter::Charge() {
  if (parts_->budgets == nullptr) return std::nullopt;
  const auto over = parts_->budgets->Charge(tenant_, charged_tokens_, Now());
  if (!over) return std::nullopt;
  if (parts_->metrics != nullptr) parts_->metrics->OnTurnedAway("budget");
  return Refusal{.status = over->status, .retry_after = over->retry_after};
}

void CallMeter::Sent(uint32_t tokens) {
  if (parts_->metrics == nullptr) return;
  if (std::exchange(first_, false)) parts_->metrics->OnHostFirstToken(model_, Now() - received_);
  parts_->metrics->OnStreamEvent(model_, tokens);
}

void CallMeter::Settle() { GiveBack(0); }

void CallMeter::Record(const Outcome& outcome) {
  GiveBack(static_cast<int64_t>(outcome.prompt_tokens) + outcome.generated_tokens);
  if (parts_->ledger != nullptr) parts_->ledger->Record(tenant_, model_, outcome);
  const bool answered =
      outcome.reason == FinishReason::kStop || outcome.reason == FinishReason::kLength;
  if (parts_->metrics != nullptr && answered) {
    parts_->metrics->OnHostEnd(model_, Now() - received_);
  }
}

void CallMeter::GiveBack(int64_t used_tokens) {
  if (parts_->budgets == nullptr) return;
  parts_->budgets->Settle(tenant_, charged_tokens_, used_tokens, Now());
}

}  // namespace waferline::rpc
