// Cyclic shifts over rows and columns at once, `side` steps, as MeshGEMM's (WaferLLM, OSDI'25): the
// ring runs up the even cores and back down the odd ones, so that no step is longer than two hops.
#include <algorithm>
#include <cmath>

#include "wafer_backend/hardware/fabric/line.h"
#include "wafer_backend/hardware/fabric/patterns.h"

namespace waferline::fabric {
namespace {

using Kind = Operation::Kind;

// Who comes after core i in the ring 0, 2, 4, ..., 5, 3, 1 of n cores.
int Next(int i, int n) {
  if (i % 2 == 0) {
    if (i + 2 < n) return i + 2;
    return i + 1 < n ? i + 1 : i - 1;
  }
  return i == 1 ? 0 : i - 2;
}

// Four colours a direction: neighbours in the ring differ, and so do ways up and down.
int ColourOf(int i, int first_colour) {
  return first_colour + (i % 2 == 0 ? (i / 2) % 2 : 2 + (i / 2) % 2);
}

struct RingBuffers {
  int first_colour = 0;
  int send_from = 0;  // memory offsets
  int receive_at = 0;
};

// Routes of all steps; the colours that core i gives and takes.
void RouteRing(const Line& line, int first_colour) {
  for (int i = 0; i < line.n; ++i) {
    RoutePath(line, ColourOf(i, first_colour), i, Next(i, line.n));
  }
}

int Previous(int i, int n) {
  for (int candidate : {i - 2, i - 1, i + 1, i + 2}) {
    if (candidate >= 0 && candidate < n && Next(candidate, n) == i) return candidate;
  }
  return i;
}

void AddRing(const CollectiveSize& size, int i, const RingBuffers& ring, ProgramStep* step) {
  const uint8_t gives = static_cast<uint8_t>(ColourOf(i, ring.first_colour));
  const uint8_t takes =
      static_cast<uint8_t>(ColourOf(Previous(i, size.columns), ring.first_colour));
  step->push_back({Kind::kSend, takes, gives, ring.send_from, size.length});
  step->push_back({Kind::kReceive, takes, gives, ring.receive_at, size.length});
}

// Memory: the row's tile and the column's, each twice, for the step under way and the next.
void LayShifts(const CollectiveSize& size, int compute_cycles, Fabric* fabric) {
  const int n = size.columns, l = size.length;
  for (int at = 0; at < n; ++at) {
    RouteRing({fabric, true, at, n}, 0);
    RouteRing({fabric, false, at, n}, 4);
  }
  for (int row = 0; row < n; ++row) {
    for (int column = 0; column < n; ++column) {
      Program program;
      for (int step = 0; step < n; ++step) {
        const int from = step % 2 * 2 * l, to = 2 * l - from;
        ProgramStep operations;
        AddRing(size, column, {0, from, to}, &operations);
        AddRing(size, row, {4, from + l, to + l}, &operations);
        if (compute_cycles > 0) operations.push_back({Kind::kCompute, 0, 0, 0, compute_cycles});
        program.steps.push_back(std::move(operations));
        // Steps come in pairs; an even number of them is a loop.
        if (step == 1 && n % 2 == 0) break;
      }
      if (n % 2 == 0) program.repeats = n / 2;
      fabric->SetProgram(fabric->Tile(column, row), std::move(program));
    }
  }
}

// After as many steps as the ring has cores every tile is home again.
bool Home(const CollectiveSize& size, const Fabric& fabric) {
  const int offset = size.columns % 2 * 2 * size.length;
  for (int tile = 0; tile < size.tiles(); ++tile) {
    for (int i = 0; i < 2 * size.length; ++i) {
      if (fabric.memory(tile)[static_cast<size_t>(offset + i)] !=
          InitialWord(tile % size.columns, tile / size.columns, i)) {
        return false;
      }
    }
  }
  return true;
}

double StepCycles(const CollectiveSize& size) {
  return collectives::ShiftStepCycles(2.0 * size.length, size.costs());
}

int TileCompute(const CollectiveSize& size) {
  return static_cast<int>(std::ceil(std::pow(size.length, 1.5) / 4));
}

void Lay(const CollectiveSize& size, Fabric* fabric) { LayShifts(size, 0, fabric); }
void LayGemm(const CollectiveSize& size, Fabric* fabric) {
  LayShifts(size, TileCompute(size), fabric);
}

double FormulaCycles(const CollectiveSize& size) { return size.columns * StepCycles(size); }
double GemmFormula(const CollectiveSize& size) {
  return size.columns * std::max<double>(StepCycles(size), TileCompute(size));
}

}  // namespace

const Collective kShift = {"shift", "tiles around rows and columns, two hops a step, side steps",
                           4,       Lay,
                           Home,    FormulaCycles,
                           true};
const Collective kGemmShift = {
    "gemm-shift",
    "the same together with the arithmetic of square tiles at four MACs a cycle",
    4,
    LayGemm,
    Home,
    GemmFormula,
    true};

}  // namespace waferline::fabric
