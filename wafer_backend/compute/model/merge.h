// The merging that both kinds of tokenizers do: of all neighbouring symbols that may be joined, the
// cheapest pair becomes one symbol, the leftmost of equals, until no pair is left. O(n log n) for n
// symbols by a heap over the pairs (Zouhar et al. 2023, "A Formal Perspective on Byte-Pair
// Encoding", section 4). Pure; one thread a call.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include "wafer_backend/base/ids.h"

namespace waferline::model {

// A stretch of the text. Symbols of a text are linked in its order; a symbol that was joined to its
// left neighbour has length 0.
struct Symbol {
  uint32_t begin = 0;
  uint32_t length = 0;
  int32_t previous = -1;
  int32_t next = -1;
  TokenId id = -1;      // -1: not a token by itself
  bool frozen = false;  // is never joined
};

// What joining two neighbours gives.
struct Joined {
  double cost = 0;  // not NaN
  TokenId id = 0;
};

// Reusable working space.
struct MergeQueue {
  struct Pair {
    double cost;
    int32_t left;
    int32_t right;
    uint32_t length;  // of both: differs from the symbols' if one of them has changed since
    TokenId id;
    bool Worse(const Pair& other) const {
      return cost != other.cost ? cost > other.cost : left > other.left;
    }
  };
  std::vector<Pair> heap;
};

// Symbols begin .. end-1, which alone are joined.
struct SymbolRange {
  int32_t begin = 0;
  int32_t end = 0;
};

// Symbols 0 .. n-1 must be linked in this order. `join(left, right)` gives std::optional<Joined>.
// Afterwards the first symbol of the range is still its first.
template <typename Join>
void MergeSymbols(std::vector<Symbol>& symbols, SymbolRange range, const Join& join,
                  MergeQueue& queue) {
  std::vector<MergeQueue::Pair>& heap = queue.heap;
  const auto worse = [](const auto& a, const auto& b) { return a.Worse(b); };
  const auto consider = [&](int32_t left, int32_t right) {
    if (left < range.begin || right < 0 || right >= range.end) return false;
    const Symbol& a = symbols[left];
    const Symbol& b = symbols[right];
    if (a.frozen || b.frozen) return false;
    const std::optional<Joined> joined = join(a, b);
    if (!joined) return false;
    heap.push_back({joined->cost, left, right, a.length + b.length, joined->id});
    return true;
  };

  heap.clear();
  for (int32_t i = range.begin + 1; i < range.end; ++i) consider(i - 1, i);
  std::make_heap(heap.begin(), heap.end(), worse);
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end(), worse);
    const MergeQueue::Pair best = heap.back();
    heap.pop_back();
    Symbol& left = symbols[best.left];
    Symbol& right = symbols[best.right];
    if (left.length == 0 || right.length == 0 || left.next != best.right ||
        left.length + right.length != best.length) {
      continue;
    }
    left.length = best.length;
    left.id = best.id;
    left.next = right.next;
    right.length = 0;
    if (left.next >= 0) symbols[left.next].previous = best.left;
    if (consider(left.previous, best.left)) std::push_heap(heap.begin(), heap.end(), worse);
    if (consider(best.left, left.next)) std::push_heap(heap.begin(), heap.end(), worse);
  }
}

}  // namespace waferline::model
