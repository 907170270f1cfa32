// Which running sequence gives way when a better one has no room. Stateless. O(running).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace waferline::policy {

struct VictimView {
  int32_t priority = 0;
  uint64_t ordinal = 0;          // of admission
  bool gives_enough = true;      // what it holds, with what is free there, is what is needed
  bool may_be_preempted = true;  // not past its bound of preemptions
};

// Preemption by recompute: the one with the worst priority, and of those the last admitted (least
// work is lost), gives way, if it is worse than `priority`. Its index; nullopt: none.
std::optional<size_t> ChooseVictim(std::span<const VictimView> running, int32_t priority);

}  // namespace waferline::policy
