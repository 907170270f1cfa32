// Which states of a grammar look the same for the next `reach` bytes: the same bytes lead on from
// them. A text of 1,000 to 2,000 characters has a state for each count, and far from its ends they
// all look the same.
//
// Pure function. Time: in proportion to the counted states and their edges, and to the states near
// what tells them apart, times `reach`.
#pragma once

#include <array>
#include <vector>

#include "wafer_backend/compute/grammar/rules.h"

namespace waferline::grammar {

// For each reach, which do not fall: a number of each state, the same for two counted states
// (rules.h) if they are the same for that many bytes; each of the others has its own. Found by
// refining a partition `reach` times: Hopcroft and Ullman, "Introduction to Automata Theory"
// (1979), 3.4, stopped early.
std::array<std::vector<uint32_t>, 2> FindLooks(const Rules& rules, std::array<size_t, 2> reach);

}  // namespace waferline::grammar
