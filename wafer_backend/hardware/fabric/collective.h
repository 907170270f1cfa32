// A pattern of communication over a grid of cores, as one small file each: routes and programs, the
// result that must come out, and the closed formula that the timing models would use for it. To add
// one: a file that defines a Collective, and its name in collective.cc.
//
// Formulas are those of hardware/collectives, the same that timing builds kernels of.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "wafer_backend/hardware/collectives/formulas.h"
#include "wafer_backend/hardware/fabric/fabric.h"

namespace waferline::fabric {

// A grid of cores, each with a vector (or tile) of `length` wavelets.
struct CollectiveSize {
  int columns = 0;
  int length = 0;
  int ramp_cycles = 2;
  int row_count = 0;  // 0: as many as columns

  int rows() const { return row_count == 0 ? columns : row_count; }
  int tiles() const { return columns * rows(); }
  // Of a core that runs no software: the simulator's.
  collectives::Costs costs() const { return {.ramp = static_cast<double>(ramp_cycles)}; }
};

struct Collective {
  std::string_view name;
  std::string_view summary;
  int words_per_length = 1;  // memory a core needs, in units of `length`
  void (*lay)(const CollectiveSize& size, Fabric* fabric);
  bool (*holds)(const CollectiveSize& size, const Fabric& fabric);
  double (*cycles)(const CollectiveSize& size);
  bool square = false;  // as many rows as columns only
};

// In the order in which help shows them.
std::span<const Collective* const> Collectives();
// NotFound lists the names.
absl::StatusOr<const Collective*> FindCollective(const std::string& name);

struct CollectiveRun {
  RunResult result;
  double formula_cycles = 0;
  bool holds = false;  // the right numbers in the right places, nothing left on the wires
};
// On `threads` threads; the result does not depend on them. InvalidArgument for a side outside [2,
// 2048], a length outside [1, 65536], or a shift on a grid that is not square; Fabric's errors.
absl::StatusOr<CollectiveRun> RunCollective(const Collective& collective,
                                            const CollectiveSize& size, int threads = 1);

// What core (column, row) starts with at word i; all collectives are checked against it.
inline uint32_t InitialWord(int column, int row, int i) {
  const uint32_t x = static_cast<uint32_t>(column) * 2654435761u ^
                     static_cast<uint32_t>(row) * 40503u ^ static_cast<uint32_t>(i) * 2246822519u;
  return x * 3266489917u + 12345u;
}

}  // namespace waferline::fabric
