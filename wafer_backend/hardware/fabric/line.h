// A row or a column of a grid seen as a line of cores 0 .. n-1, and the pieces that collectives on
// it are made of. Each piece adds routes, and steps to the programs of the cores that take part;
// its colours must be its own.
#pragma once

#include <vector>

#include "wafer_backend/hardware/fabric/fabric.h"

namespace waferline::fabric {

// Programs under construction, one a tile.
using Programs = std::vector<Program>;

struct Line {
  Fabric* fabric = nullptr;
  bool along_row = true;
  int at = 0;  // which row, or which column
  int n = 0;

  int Tile(int i) const { return along_row ? fabric->Tile(i, at) : fabric->Tile(at, i); }
  Port Up() const { return along_row ? kEast : kSouth; }    // to i + 1
  Port Down() const { return along_row ? kWest : kNorth; }  // to i - 1
};

// A wavelet's way from core `from` to core `to`, through the routers in between.
void RoutePath(const Line& line, int colour, int from, int to);

// Cores first, first + stride, ... up to `last` hand a sum down to `first`, each adding its own
// vector. Uses colours `colour` and `colour + 1`.
struct Chain {
  int first = 0;
  int last = 0;
  int stride = 1;
  int colour = 0;
  int length = 0;
};
void AddChain(const Line& line, const Chain& chain, Programs* programs);

// Core 0's vector to all others, each handing it on to the next. Colours `colour`, `colour + 1`.
void AddRelay(const Line& line, int colour, int length, Programs* programs);

// Core 0's vector to all others, by multicast on one colour.
void AddBroadcast(const Line& line, int colour, int length, Programs* programs);

void SetPrograms(Programs programs, Fabric* fabric);

}  // namespace waferline::fabric
