// Cuts a mesh of cores into rectangles, one for each of a sequence of pieces, without gaps.
//
// The mesh is cut into bands, a band into one rectangle a piece; every second band runs backwards,
// so that pieces that follow each other lie side by side. Of the numbers of bands that make squares
// of equal pieces, along columns and along rows, the tiling is taken whose pieces come nearest to
// what they want and to squares; other numbers are tried only if none of these gives all pieces
// what they need. Pure; any thread. Cost: four candidates, or some 60, each a few operations a
// piece and band.
#pragma once

#include <optional>
#include <span>
#include <vector>

namespace waferline::placement {

struct Mesh {
  int columns = 0;
  int rows = 0;
  double cores() const { return static_cast<double>(columns) * rows; }
};

struct Rectangle {
  int column = 0;
  int row = 0;
  int columns = 0;
  int rows = 0;
  double cores() const { return static_cast<double>(columns) * rows; }
  bool Contains(int at_column, int at_row) const {
    return at_column >= column && at_column < column + columns && at_row >= row &&
           at_row < row + rows;
  }
  friend bool operator==(const Rectangle&, const Rectangle&) = default;
};

// Cores between the middles of two rectangles, along the mesh's links.
double HopsBetween(const Rectangle& a, const Rectangle& b);

struct CoreDemand {
  double needed = 0;  // cores, > 0: its rectangle has at least as many
  double wanted = 0;  // >= needed; what the mesh has is shared in this proportion
};

// One rectangle a piece, in order; none overlap and together they are the mesh. Nothing if no
// tiling of this sort gives each piece what it needs (it may fail when more than about 99 % of the
// mesh is needed).
std::optional<std::vector<Rectangle>> Tile(const Mesh& mesh, std::span<const CoreDemand> pieces);

}  // namespace waferline::placement
