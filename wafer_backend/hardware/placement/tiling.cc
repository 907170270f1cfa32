#include "wafer_backend/hardware/placement/tiling.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <utility>

namespace waferline::placement {
namespace {

struct Claim {
  int min_lines = 1;
  double wanted = 0;
};

// `total` lines dealt out in proportion to what is wanted, each claim at least its least. The sum
// of the leasts must not exceed the total.
std::vector<int> Share(int total, const std::vector<Claim>& claims) {
  double wanted = 0;
  for (const Claim& claim : claims) wanted += claim.wanted;
  std::vector<int> lines;
  int given = 0;
  for (const Claim& claim : claims) {
    lines.push_back(std::max(claim.min_lines, static_cast<int>(total * (claim.wanted / wanted))));
    given += lines.back();
  }
  const auto emptier = [&](size_t a, size_t b) {  // by its share of what it wants
    return lines[a] * claims[b].wanted < lines[b] * claims[a].wanted;
  };
  for (; given != total; given += given < total ? 1 : -1) {
    size_t chosen = claims.size();
    for (size_t i = 0; i < claims.size(); ++i) {
      if (given > total && lines[i] == claims[i].min_lines) continue;
      if (chosen == claims.size() || (given < total ? emptier(i, chosen) : emptier(chosen, i))) {
        chosen = i;
      }
    }
    lines[chosen] += given < total ? 1 : -1;
  }
  return lines;
}

int LinesFor(double cores, int width) { return static_cast<int>(std::ceil(cores / width)); }

// The pieces of one band, and its width across.
struct Band {
  size_t begin = 0, end = 0;
  Claim claim;
};

// A mesh `across` x `along`, cut across into bands of which each is cut along.
class Cutting {
 public:
  Cutting(int across, int along, std::span<const CoreDemand> pieces)
      : across_(across), along_(along), pieces_(pieces) {
    for (const CoreDemand& piece : pieces_) wanted_ += piece.wanted;
  }

  // Rectangles with columns across and rows along.
  std::optional<std::vector<Rectangle>> With(int count) const {
    std::vector<Band> bands = Bands(count);
    int64_t min_lines = 0;
    for (Band& band : bands) {
      band.claim.min_lines = LeastWidth(band);
      min_lines += band.claim.min_lines;
    }
    if (min_lines > across_) return std::nullopt;
    std::vector<Claim> claims;
    for (const Band& band : bands) claims.push_back(band.claim);
    const std::vector<int> widths = Share(across_, claims);
    std::vector<Rectangle> out;
    int at = 0;
    for (size_t b = 0; b < bands.size(); ++b) {
      for (Rectangle& r : CutBand(bands[b], widths[b])) {
        r.column = at;
        if (b % 2 == 1) r.row = along_ - r.row - r.rows;  // back, so that neighbours stay close
        out.push_back(r);
      }
      at += widths[b];
    }
    return out;
  }

 private:
  // Neighbours together, about equal in what they want. May be fewer than `count`.
  std::vector<Band> Bands(int count) const {
    std::vector<Band> bands;
    double before = 0;
    int last = -1;
    for (size_t i = 0; i < pieces_.size(); ++i) {
      const int band =
          std::min(count - 1, static_cast<int>((before + pieces_[i].wanted / 2) / wanted_ * count));
      if (band != last) bands.push_back({.begin = i, .end = i, .claim = {.wanted = 0}});
      last = band;
      bands.back().end = i + 1;
      bands.back().claim.wanted += pieces_[i].wanted;
      before += pieces_[i].wanted;
    }
    return bands;
  }

  bool Holds(const Band& band, int width) const {
    int64_t lines = 0;
    for (size_t i = band.begin; i < band.end && lines <= along_; ++i) {
      lines += std::max(1, LinesFor(pieces_[i].needed, width));
    }
    return lines <= along_;
  }

  // across_ + 1 if none will do.
  int LeastWidth(const Band& band) const {
    double needed = 0;
    for (size_t i = band.begin; i < band.end; ++i) needed += pieces_[i].needed;
    // Without its last line begun a piece needs a line less: the answer lies between.
    const int spare = along_ - static_cast<int>(band.end - band.begin);
    int low = std::clamp(LinesFor(needed, along_), 1, across_ + 1);
    int high = spare > 0 ? std::clamp(LinesFor(needed, spare), low, across_ + 1) : across_ + 1;
    while (low < high) {
      const int width = (low + high) / 2;
      if (Holds(band, width)) {
        high = width;
      } else {
        low = width + 1;
      }
    }
    return low;
  }

  // At column 0, downwards.
  std::vector<Rectangle> CutBand(const Band& band, int width) const {
    std::vector<Claim> claims;
    for (size_t i = band.begin; i < band.end; ++i) {
      claims.push_back({std::max(1, LinesFor(pieces_[i].needed, width)), pieces_[i].wanted});
    }
    std::vector<Rectangle> out;
    int line = 0;
    for (const int lines : Share(along_, claims)) {
      out.push_back({0, line, width, lines});
      line += lines;
    }
    return out;
  }

  const int across_, along_;
  const std::span<const CoreDemand> pieces_;
  double wanted_ = 0;
};

// 1: every piece has what it wants, in a square.
double Score(std::span<const CoreDemand> pieces, const std::vector<Rectangle>& rectangles) {
  double min_share = 1e30, square = 0;
  for (size_t i = 0; i < pieces.size(); ++i) {
    const Rectangle& r = rectangles[i];
    min_share = std::min(min_share, r.cores() / pieces[i].wanted);
    square += 2 * std::sqrt(r.cores()) / (r.columns + r.rows);
  }
  return min_share * square / static_cast<double>(pieces.size());
}

}  // namespace

double HopsBetween(const Rectangle& a, const Rectangle& b) {
  return std::abs(a.column + a.columns / 2.0 - b.column - b.columns / 2.0) +
         std::abs(a.row + a.rows / 2.0 - b.row - b.rows / 2.0);
}

std::optional<std::vector<Rectangle>> Tile(const Mesh& mesh, std::span<const CoreDemand> pieces) {
  double needed = 0;
  for (const CoreDemand& piece : pieces) needed += piece.needed;
  if (pieces.empty() || needed > mesh.cores()) return std::nullopt;
  std::optional<std::vector<Rectangle>> best;
  double best_score = 0;
  const auto count = static_cast<double>(pieces.size());
  const Cutting upright(mesh.columns, mesh.rows, pieces), turned(mesh.rows, mesh.columns, pieces);
  const auto attempt = [&](bool turn, int bands) {
    auto tiling = (turn ? turned : upright).With(bands);
    if (!tiling.has_value()) return;
    if (turn) {
      for (Rectangle& r : *tiling) {
        std::swap(r.column, r.row);
        std::swap(r.columns, r.rows);
      }
    }
    const double score = Score(pieces, *tiling);
    if (best.has_value() && score <= best_score) return;
    best = std::move(tiling);
    best_score = score;
  };
  // Bands that make squares of equal pieces first, and around that number if those do not fit.
  for (const bool near : {true, false}) {
    for (const bool turn : {false, true}) {
      const int across = turn ? mesh.rows : mesh.columns, along = turn ? mesh.columns : mesh.rows;
      const int square = static_cast<int>(std::sqrt(count * across / along));
      const int min_bands = std::max(1, near ? square : square / 2);
      const int max_bands = static_cast<int>(
          std::min<double>({near ? square + 1.0 : 2.0 * square + 3, count, 1.0 * across}));
      for (int bands = min_bands; bands <= max_bands; ++bands) attempt(turn, bands);
    }
    if (best_score > 0.9) break;
  }
  return best;
}

}  // namespace waferline::placement
