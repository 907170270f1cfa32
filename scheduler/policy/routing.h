// Where a request is prefilled and decoded. Stateless: views of the devices in, an index into them
// out (nullopt: none now). Ties go to the smaller index. O(views): the engine shows only devices
// that could be chosen, by the keys below, so that a request costs O(log devices).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "scheduler/policy/tiers.h"
#include "wafer_backend/base/units.h"

namespace waferline::policy {

enum class WorkerRule : uint8_t {
  kLeastLoaded,  // least pending work
  kPrefixAware,  // least pending work plus what of this prompt is not in the worker's cache
  kRoundRobin,   // by admission ordinal
};

struct WorkerView {
  bool alive = true;
  bool has_room = true;        // its own bounded backlog takes one more
  int64_t pending_tokens = 0;  // still to be prefilled there
  int64_t cached_tokens = 0;   // of this prompt
  double slowdown = 1;
};

// Workers of the same slowdown that have nothing of a prompt cached: kLeastLoaded and kPrefixAware
// prefer the least key, whatever the prompt.
inline int64_t KeyOf(const WorkerView& worker) { return worker.pending_tokens; }

std::optional<size_t> ChooseWorker(WorkerRule rule, std::span<const WorkerView> workers,
                                   int64_t prompt_tokens, uint64_t ordinal);

enum class UnitKind : uint8_t { kWafer, kGpu };

enum class UnitRule : uint8_t {
  kMostHeadroom,   // largest free share of its fullest stage, after this request
  kShortestQueue,  // fewest users for its depth
  kSticky,         // most cached prefix of this prompt, then headroom
};

struct UnitView {
  UnitTier tier = UnitTier::kFast;
  bool alive = true;
  int running = 0;
  int max_running = 1;
  int depth = 1;  // users at full speed
  int64_t free_pages = 0;
  int64_t capacity_pages = 1;
  int64_t needed_pages = 0;
  int64_t cached_tokens = 0;  // of this prompt, on this unit
};

bool HasRoom(const UnitView& unit);

// Units of the same tier, depth, capacity and page size that have nothing of a prompt cached: the
// rule prefers the least key, whatever the prompt. Those without a running slot come last.
using UnitKey = std::array<int64_t, 3>;
UnitKey KeyOf(UnitRule rule, const UnitView& unit);
// Whether, of such units, those behind one in the order have at most as many free pages.
bool OrdersByRoom(UnitRule rule);

// A unit of the chosen tier; one of the other tier if the choice spills and its own has no room, or
// if its own has no unit alive.
std::optional<size_t> ChooseUnit(UnitRule rule, const TierChoice& choice,
                                 std::span<const UnitView> units);

// Whether a prompt is prefilled on its wafer instead of in the pool: worth it when few tokens have
// to be computed, since they pass the wafer one behind the other while a worker takes them at once.
struct LocalPrefillSettings {
  int64_t max_fresh_tokens = 0;  // 0: never
};
bool PrefillOnUnit(const LocalPrefillSettings& settings, UnitKind kind, int64_t fresh_tokens);

}  // namespace waferline::policy
