// Every core of a row straight to its first core, which does all the adding.
#include "wafer_backend/hardware/fabric/line.h"
#include "wafer_backend/hardware/fabric/patterns.h"
#include "wafer_backend/hardware/fabric/row_sum.h"

namespace waferline::fabric {
namespace {

void Lay(const CollectiveSize& size, Fabric* fabric) {
  for (int row = 0; row < size.rows(); ++row) {
    for (int i = 1; i < size.columns; ++i) {
      const uint8_t from = i + 1 < size.columns ? uint8_t{kRamp | kEast} : uint8_t{kRamp};
      fabric->Route(fabric->Tile(i, row), 0, from, kWest);
      fabric->SetProgram(fabric->Tile(i, row),
                         {{{{Operation::Kind::kSend, 0, 0, 0, size.length}}}, 1});
    }
    fabric->Route(fabric->Tile(0, row), 0, kEast, kRamp);
    fabric->SetProgram(fabric->Tile(0, row),
                       {{{{Operation::Kind::kAdd, 0, 0, 0, size.length * (size.columns - 1)}}}, 1});
  }
}

double FormulaCycles(const CollectiveSize& size) {
  // Contention: all vectors pass the first core's ramp; the nearest one comes first.
  return static_cast<double>(size.length) * (size.columns - 1) + 1 + 2.0 * size.ramp_cycles + 1;
}

}  // namespace

const Collective kReduceStar = {
    "reduce-star", "rows to their first core, which adds them all", 1, Lay, RowSumsAtFirst,
    FormulaCycles};

}  // namespace waferline::fabric
