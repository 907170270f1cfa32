// What one call adds to the host-side metrics, the tenant's budget and the usage ledger. Owner: one
// call. Thread: Charge first; then Sent on one thread at a time, Settle and Record on the engine's.
#pragma once

#include <optional>
#include <string>

#include "scheduler/request/token_sink.h"
#include "scheduler/request/valid_request.h"
#include "server/rpc/rpc_parts.h"

namespace waferline::rpc {

class CallMeter {
 public:
  // The call was received now.
  CallMeter(const RpcParts* parts, const ValidRequest& request);

  // Takes what the request may use from its tenant's budget; a refusal if there is not enough.
  std::optional<Refusal> Charge();
  // A message with so many generated tokens goes out now.
  void Sent(uint32_t tokens);
  // The engine refused: nothing was used.
  void Settle();
  void Record(const Outcome& outcome);

 private:
  Nanoseconds Now() const { return parts_->host_now ? parts_->host_now() : Nanoseconds(0); }
  void GiveBack(int64_t used_tokens);

  const RpcParts* const parts_;
  const std::string tenant_;
  const std::string model_;
  const int64_t charged_tokens_;  // prompt and what may be generated
  const Nanoseconds received_;
  bool first_ = true;
};

}  // namespace waferline::rpc
