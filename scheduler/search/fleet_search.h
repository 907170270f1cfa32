// Finds the cheapest variant that holds, with few trials. What a variant costs is known before it
// is tried; whether it holds is not.
//
// Two things are left out: whatever costs as much or more than one that holds, and whatever has
// less of everything (on the ordered axes; the same value on the others) than one that failed for
// lack of capacity. The second is an inference. It is checked at the end: on each ordered axis the
// nearest one below the answer that was left out by it is tried too, and if it holds after all,
// nothing is inferred any more and every cheaper variant is tried. With one ordered axis the search
// is a bisection. Pure; the answer depends only on the arguments and on what `try_all` returns.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "scheduler/search/variants.h"

namespace waferline::search {

struct Candidate {
  Place place;
  double cost = 0;
};

struct Verdict {
  bool holds = false;
  // Of one that does not hold: it lacked capacity, so that one with less would not hold either.
  bool too_small = false;
};

struct SearchOptions {
  size_t at_a_time = 2;     // candidates of one call of `try_all`; part of what repeats a search
  bool exhaustive = false;  // infer nothing: try every variant that is cheaper than the answer
};

struct SearchResult {
  std::optional<size_t> best;  // index of a candidate
  size_t tried = 0;
  size_t inferred = 0;   // left out because a larger one failed
  size_t costlier = 0;   // left out because the answer costs no more
  bool refuted = false;  // an inference was wrong, so nothing was inferred from then on
};

// `try_all` gets indices of `candidates`, each at most once in a search, at most `at_a_time` at
// once, and returns their verdicts in order. Of equal costs the earlier candidate is preferred.
using TryAll = std::function<std::vector<Verdict>(std::span<const size_t>)>;
SearchResult FindCheapest(const std::vector<Axis>& axes, const std::vector<Candidate>& candidates,
                          const SearchOptions& options, const TryAll& try_all);

}  // namespace waferline::search
