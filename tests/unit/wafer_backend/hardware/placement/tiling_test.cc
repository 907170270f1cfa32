#include "wafer_backend/hardware/placement/tiling.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "wafer_backend/base/seeded_stream.h"
#include "wafer_backend/hardware/placement/cut.h"

namespace waferline::placement {
namespace {

int Draw(SeededStream& draws, int least, int most) {
  return least + static_cast<int>(draws.Uniform() * (most - least + 1));
}

// Each core of the mesh belongs to exactly one rectangle: no overlap, no gap, nothing outside.
bool Covers(const Mesh& mesh, const std::vector<Rectangle>& rectangles) {
  std::vector<int> owners(static_cast<size_t>(mesh.columns) * mesh.rows, 0);
  for (const Rectangle& r : rectangles) {
    if (r.column < 0 || r.row < 0 || r.columns < 1 || r.rows < 1) return false;
    if (r.column + r.columns > mesh.columns || r.row + r.rows > mesh.rows) return false;
    for (int row = r.row; row < r.row + r.rows; ++row) {
      for (int column = r.column; column < r.column + r.columns; ++column) {
        ++owners[static_cast<size_t>(row) * mesh.columns + column];
      }
    }
  }
  for (const int count : owners) {
    if (count != 1) return false;
  }
  return true;
}

TEST_CASE("a tiling covers the mesh once and gives each piece what it needs") {
  int tiled = 0;
  for (uint64_t seed = 0; seed < 300; ++seed) {
    INFO("seed " << seed);
    SeededStream draws(seed);
    const Mesh mesh{Draw(draws, 3, 120), Draw(draws, 3, 120)};
    const int count = Draw(draws, 1, 40);
    const double fill =
        0.3 + 0.75 * draws.Uniform();  // of the mesh that is needed; may be too much
    std::vector<CoreDemand> pieces;
    double sum = 0;
    for (int i = 0; i < count; ++i) {
      pieces.push_back({0.05 + draws.Uniform(), 0});
      sum += pieces.back().needed;
    }
    for (CoreDemand& piece : pieces) {
      piece.needed *= fill * mesh.cores() / sum;
      piece.wanted = piece.needed * (1 + draws.Uniform());
    }
    const auto tiling = Tile(mesh, pieces);
    if (fill > 1) CHECK_FALSE(tiling.has_value());
    if (!tiling.has_value()) continue;
    ++tiled;
    REQUIRE(tiling->size() == pieces.size());
    CHECK(Covers(mesh, *tiling));
    for (size_t i = 0; i < pieces.size(); ++i) CHECK((*tiling)[i].cores() >= pieces[i].needed);
  }
  CHECK(tiled > 150);
}

TEST_CASE("equal pieces get equal, nearly square rectangles that follow each other") {
  const Mesh mesh{762, 1172};
  const std::vector<CoreDemand> pieces(20, CoreDemand{40'000, 44'000});
  const auto tiling = Tile(mesh, pieces);
  REQUIRE(tiling.has_value());
  for (size_t i = 0; i < tiling->size(); ++i) {
    const Rectangle& r = (*tiling)[i];
    CHECK(r.cores() == Approx(mesh.cores() / 20).epsilon(0.02));
    CHECK(r.columns + r.rows < 2.1 * 1.1 * std::sqrt(r.cores()));
    if (i > 0) CHECK(HopsBetween((*tiling)[i - 1], r) < 300);
  }
}

TEST_CASE("a mesh that is needed to 99 % is still tiled") {
  const Mesh mesh{762, 1172};
  for (int count = 2; count <= 60; ++count) {
    INFO(count << " pieces");
    const double each = std::floor(0.99 * mesh.cores() / count);
    CHECK(
        Tile(mesh, std::vector<CoreDemand>(static_cast<size_t>(count), {each, each})).has_value());
  }
}

TEST_CASE("a cut has no empty part, keeps the order and its largest part is the least possible") {
  for (uint64_t seed = 0; seed < 300; ++seed) {
    INFO("seed " << seed);
    SeededStream draws(seed);
    std::vector<double> sizes(static_cast<size_t>(Draw(draws, 1, 11)));
    for (double& size : sizes) size = Draw(draws, 1, 30);
    const int parts = Draw(draws, 1, static_cast<int>(sizes.size()));
    const std::vector<int> part_of = CutEvenly(sizes, parts);
    REQUIRE(part_of.size() == sizes.size());
    REQUIRE(part_of.front() == 0);
    REQUIRE(part_of.back() == parts - 1);
    std::vector<double> load(static_cast<size_t>(parts), 0.0);
    for (size_t i = 0; i < sizes.size(); ++i) {
      if (i > 0) REQUIRE((part_of[i] == part_of[i - 1] || part_of[i] == part_of[i - 1] + 1));
      load[static_cast<size_t>(part_of[i])] += sizes[i];
    }
    // Every cut there is: a bit for each boundary between pieces.
    double best = 1e30;
    for (unsigned cuts = 0; cuts < 1u << (sizes.size() - 1); ++cuts) {
      if (__builtin_popcount(cuts) != parts - 1) continue;
      double largest = 0, part = 0;
      for (size_t i = 0; i < sizes.size(); ++i) {
        if (i > 0 && (cuts >> (i - 1) & 1)) part = 0;
        largest = std::max(largest, part += sizes[i]);
      }
      best = std::min(best, largest);
    }
    CHECK(*std::max_element(load.begin(), load.end()) == Approx(best));
  }
}

}  // namespace
}  // namespace waferline::placement
