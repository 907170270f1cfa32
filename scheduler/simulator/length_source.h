// The value source of a replay: a sequence has as many tokens as the trace says, all of them there
// at once, none with a meaning.
#pragma once

#include <vector>

#include "wafer_backend/api/values.h"

namespace waferline::simulator {

class LengthSource final : public ValueSource {
 public:
  bool has_values() const override { return false; }
  void Prefill(SequenceId id, SequenceSpec spec) override {}
  void Activate(SequenceId id) override {}
  void Want(SequenceId id, uint32_t count) override {}
  State Look(SequenceId id, uint32_t index, const TokenValue** value) override {
    *value = &value_;
    return State::kReady;
  }
  absl::Status Failure(SequenceId id) override { return absl::InternalError("lengths never fail"); }
  const std::vector<TokenValue>* PromptLogprobs(SequenceId id) override { return nullptr; }
  void End(SequenceId id) override {}
  std::vector<ShardMemory> memory() const override { return {}; }

 private:
  TokenValue value_;
};

}  // namespace waferline::simulator
