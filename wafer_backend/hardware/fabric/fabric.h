// A mesh of cores, cycle by cycle: the judge over closed formulas, and a bench for new collectives.
//
// Every tile has a router with five ports (four neighbours and the ramp to its core). A wavelet is
// 32 bits and an index; a link carries one a cycle in each direction, a hop takes a cycle, the ramp
// `ramp_cycles`. Wavelets have colours; a tile's route for a colour says from which ports it comes
// and to which it goes, the same all the time (static). One that goes to several ports (multicast)
// goes to all of them in one cycle or waits. A colour waits in a queue of two wavelets for each
// link that it comes by; when that is full the neighbour waits (back-pressure), so nothing is ever
// lost. Of colours that want one port, one that streams goes on until it pauses; then it is the
// turn of those that waited.
//
// A core runs a program: steps one after another, the operations of a step at once. All of them
// together take at most one wavelet of a colour a cycle, and put at most one on the ramp: the
// lowest colour's.
// Arithmetic is modulo 2^32, so sums do not depend on their order and conservation is exact.
//
// Left out: switching routes by control wavelets, and bank conflicts in a core's memory.
// Deterministic, whatever the number of threads. One thread at a time owns a Fabric; Run starts
// threads of its own and joins them. No clock, no I/O.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/status/statusor.h"

namespace waferline::fabric {

enum Port : uint8_t { kNorth = 1, kEast = 2, kSouth = 4, kWest = 8, kRamp = 16 };
inline constexpr int kColours = 24;

// Touches offset + index of its core's memory only: a check fails otherwise.
struct Operation {
  enum class Kind : uint8_t {
    kSend,            // memory[offset ...] onto `out`
    kReceive,         // from `in` into memory, by index
    kAdd,             // from `in`, added to memory
    kAddAndSend,      // from `in`, added to memory, the sum onto `out`
    kReceiveAndSend,  // from `in` into memory and onto `out`
    kCompute,         // `length` cycles of arithmetic
  };
  Kind kind = Kind::kCompute;
  uint8_t in = 0;
  uint8_t out = 0;
  int32_t offset = 0;
  int32_t length = 0;  // wavelets (a star's root takes one vector after another: their sum)
};

using ProgramStep = absl::InlinedVector<Operation, 2>;
struct Program {
  absl::InlinedVector<ProgramStep, 4> steps;
  int repeats = 1;
};

struct FabricSize {
  int columns = 0;
  int rows = 0;
  int words = 0;  // of memory a core
  int ramp_cycles = 2;
};

struct RunResult {
  int64_t cycles = 0;          // until the last core has finished
  int64_t wavelet_hops = 0;    // over links between tiles
  int64_t wavelets_sent = 0;   // by cores
  int64_t wavelets_taken = 0;  // by cores; a multicast one counts at each
  int64_t in_flight = 0;       // still under way; 0 if every one found a taker
};

struct RunOptions {
  int threads = 1;  // at least 1; as many rows are always enough
  int32_t max_cycles = 1'000'000'000;
};

class Fabric {
 public:
  static constexpr int kMaxSide = 2048;
  // InvalidArgument names a size out of bounds: 1 to 2048 columns and rows, 1 to 5 cycles of ramp,
  // 1 GiB of memory in all.
  static absl::StatusOr<Fabric> Create(const FabricSize& size);
  // That a core may have on a grid of this size.
  static int64_t MaxWords(int columns, int rows) {
    return (int64_t{1} << 28) / (int64_t{1} * columns * rows);
  }

  int columns() const { return size_.columns; }
  int rows() const { return size_.rows; }
  int ramp_cycles() const { return size_.ramp_cycles; }
  int Tile(int column, int row) const { return row * size_.columns + column; }

  // Adds ports to a route. What comes in by `from` leaves by all of the route's `to`.
  void Route(int tile, int colour, uint8_t from, uint8_t to);
  void SetProgram(int tile, Program program);
  std::span<uint32_t> memory(int tile);
  std::span<const uint32_t> memory(int tile) const;

  // Runs all programs to their end. FailedPrecondition if nothing moves any more before that (a
  // deadlock or a missing route), ResourceExhausted after `max_cycles`.
  absl::StatusOr<RunResult> Run(const RunOptions& options = {});

 private:
  friend struct Mesh;
  struct Ports {
    uint8_t from = 0;
    uint8_t to = 0;
  };

  explicit Fabric(const FabricSize& size);

  FabricSize size_;
  size_t stride_;                  // words from one core's memory to the next's
  std::vector<Ports> routes_;      // tile x colour
  std::vector<Program> programs_;  // of each core
  std::vector<uint32_t> memory_;
};

}  // namespace waferline::fabric
