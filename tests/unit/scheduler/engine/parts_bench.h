// What a single part of the engine stands on in its test: a context over the lane of a SmallCloud,
// and sequences that wait.
#pragma once

#include <utility>
#include <vector>

#include "scheduler/engine/engine_context.h"
#include "tests/unit/scheduler/engine/small_cloud.h"

namespace waferline::engine {

inline constexpr LaneIndex kLane{0};  // the only one

struct PartsBench {
  explicit PartsBench(const CloudShape& shape = {}) : cloud(shape) {}
  ~PartsBench() {
    if (context) context->sequences.ReleaseAll();
  }
  // After the lane has its settings.
  void Build() {
    context = std::make_unique<EngineContext>(EngineOptions{.max_sequences = 8}, &cloud.timeline,
                                              std::vector<LaneSpec>{cloud.lane},
                                              std::vector<EngineObserver*>{});
  }
  Sequence& operator[](SlotIndex slot) { return context->sequences[slot]; }
  // A sequence that waits for prefill.
  SlotIndex Admit(uint32_t prompt_tokens, uint32_t max_tokens = 4) {
    ValidRequest request;
    request.model = "m";
    request.max_tokens = max_tokens;
    std::vector<TokenId> prompt(prompt_tokens, static_cast<TokenId>(++admitted));
    request.prompt = std::make_shared<const std::vector<TokenId>>(prompt);
    const SlotIndex slot =
        context->sequences.Occupy(LaneIndex{0}, Ticket{admitted}, std::move(request));
    Sequence& s = context->sequences[slot];
    s.outline = std::make_shared<PromptOutline>(OutlineOf(prompt, cloud.lane.block_tokens, 0));
    s.stage = Admitted();
    s.prefill_total = prompt_tokens;
    s.prefill_done = 0;
    context->sequences.hot(slot).max_tokens = max_tokens;
    context->sequences.EnterFirstPhase(slot, context->now());
    return slot;
  }
  void RunUntil(Nanoseconds limit) {
    context->limit = limit;
    while (!cloud.timeline.empty() && cloud.timeline.next_instant() <= limit) {
      cloud.timeline.DeliverNext();
    }
  }

  SmallCloud cloud;
  std::unique_ptr<EngineContext> context;
  uint64_t admitted = 0;
};

}  // namespace waferline::engine
