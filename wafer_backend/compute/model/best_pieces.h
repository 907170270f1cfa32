// The unigram model's choice (Kudo 2018, "Subword Regularization", section 3.2): of all ways to cut
// a text into pieces, the one whose scores add up to most (Viterbi's algorithm). Sums are floats,
// as SentencePiece's are, so that equal ones are equal here, too. Pure; any thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

#include "wafer_backend/base/ids.h"
#include "wafer_backend/compute/model/merge.h"

namespace waferline::model {

struct ScoredPiece {
  TokenId id = 0;
  float score = 0;
};

struct PieceLimits {
  size_t longest = 0;       // bytes; longer stretches are not pieces
  float unknown_score = 0;  // of a symbol that is not a piece by itself
};

// Symbols 0 .. n-1, linked in this order, are joined to the best pieces; `piece_of(stretch)` gives
// std::optional<ScoredPiece>. A frozen symbol stays as it is, one that belongs to no piece keeps
// its id. O(n) calls for each byte of `longest`. Afterwards symbol 0 is still the first.
template <typename PieceOf>
void ChooseBest(std::vector<Symbol>& symbols, const PieceLimits& limits, const PieceOf& piece_of) {
  struct Way {
    float score = std::numeric_limits<float>::lowest();
    int32_t from = 0;  // the last piece's first symbol
    TokenId id = -1;
  };
  const auto n = static_cast<int32_t>(symbols.size());
  std::vector<Way> ways(symbols.size() + 1);  // by symbols that are done
  ways[0].score = 0;
  const auto offer = [&](int32_t from, int32_t end, const ScoredPiece& piece) {
    const float score = ways[from].score + piece.score;
    if (score > ways[end].score) ways[end] = {score, from, piece.id};
  };
  for (int32_t from = 0; from < n; ++from) {
    Symbol stretch = symbols[from];
    bool alone = false;
    if (stretch.frozen) {
      offer(from, from + 1, {stretch.id, 0});
      continue;
    }
    for (int32_t end = from + 1;; ++end) {
      if (const std::optional<ScoredPiece> piece = piece_of(stretch)) {
        offer(from, end, *piece);
        alone = alone || end == from + 1;
      }
      if (end == n || symbols[end].frozen) break;
      stretch.length += symbols[end].length;
      if (stretch.length > limits.longest) break;
    }
    if (!alone) offer(from, from + 1, {symbols[from].id, limits.unknown_score});
  }
  for (int32_t end = n; end > 0;) {
    const Way& way = ways[end];
    Symbol& first = symbols[way.from];
    for (int32_t i = way.from + 1; i < end; ++i) {
      first.length += symbols[i].length;
      symbols[i].length = 0;
    }
    first.id = way.id;
    first.next = end < n ? end : -1;
    end = way.from;
  }
}

}  // namespace waferline::model
