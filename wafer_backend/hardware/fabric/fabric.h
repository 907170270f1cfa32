// A mesh of cores, cycle by cycle: the judge over closed formulas, and a bench for new collectives.
//
// Every tile has a router with five ports (four neighbours and the ramp to its core). A wavelet is
// 32 bits and an index; a link carries one a cycle in each direction, a hop takes a cycle, the ramp
// `ramp_cycles`. Wavelets have colours; a tile's route for a colour says from which ports it comes
// and to which it goes, the same all the time (static). One that goes to several ports (multicast)
// goes to all of them in one cycle or waits. A colour waits in a queue of two wavelets per tile;
// when that is full the neighbour waits (back-pressure), so nothing is ever lost.
//
// A core runs a program: steps one after another, the operations of a step at once. An operation
// takes at most one wavelet a cycle, all of them together put at most one a cycle on the ramp.
// Arithmetic is modulo 2^32, so sums do not depend on their order and conservation is exact.
//
// Left out: switching routes by control wavelets, and bank conflicts in a core's memory.
// Deterministic. One thread at a time owns a Fabric; no clock, no I/O.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

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

struct Program {
  std::vector<std::vector<Operation>> steps;
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
};

class Fabric {
 public:
  // InvalidArgument names a size out of bounds: 1 to 1024 columns and rows, 1 to 5 cycles of ramp,
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
  absl::StatusOr<RunResult> Run(int32_t max_cycles = 1'000'000'000);

  // Wavelets still under way; 0 after a run in which every one found a taker.
  int64_t InFlight() const;

 private:
  struct Wavelet {
    uint32_t value = 0;
    uint32_t index = 0;
  };
  static constexpr int kLinkRoom = 2;
  static constexpr int kRampRoom = 8;  // of which ramp_cycles + 3 are used
  static constexpr int kNone = -1;
  static constexpr int kBlocked = -2;  // leads off the grid, or to where nothing comes in by it
  // What waits between a core and its router, a ring; each not before its cycle.
  struct RampQueue {
    std::array<Wavelet, kRampRoom> ring;
    std::array<int32_t, kRampRoom> ready;
    uint8_t head = 0;
    uint8_t count = 0;
    void Push(const Wavelet& w, int32_t cycle) {
      const int at = (head + count++) % kRampRoom;
      ring[at] = w;
      ready[at] = cycle;
    }
    void Pop() { head = static_cast<uint8_t>((head + 1) % kRampRoom), --count; }
  };
  // One colour at one tile that has a route; in one cache line, for a hop touches two.
  struct alignas(64) Channel {
    std::array<Wavelet, kLinkRoom> link;  // a ring: from neighbours, ready a cycle after they came
    uint8_t link_head = 0;
    uint8_t link_count = 0;
    uint8_t reserved = 0;  // wavelets that come in at the end of this cycle
    uint8_t from = 0;      // ports
    uint8_t to = 0;        // ports
    uint8_t links = 0;     // of next
    bool listed = false;   // in active_
    int tile = 0;
    std::array<int, 4> next;  // channels that it leads to; the first may be kBlocked
    int up = kNone;           // in ramps_, from the core
    int down = kNone;         // to the core
  };
  // An operation of a core's current step, its channels looked up.
  struct Task {
    Operation::Kind kind;
    int in = kNone;  // channels
    int out = kNone;
    int32_t offset = 0;
    int32_t length = 0;
    int32_t done = 0;
    bool takes() const {
      return kind != Operation::Kind::kSend && kind != Operation::Kind::kCompute;
    }
    bool gives() const {
      return kind == Operation::Kind::kSend || kind == Operation::Kind::kAddAndSend ||
             kind == Operation::Kind::kReceiveAndSend;
    }
  };
  struct Core {
    uint32_t step = 0;
    int round = 0;
    int32_t step_began = 0;
    size_t first_task = 0;  // in tasks_; as many as its longest step has operations
    size_t tasks = 0;       // of the current step
    bool running = false;
    bool listed = false;
  };
  struct Busy {  // ports of a tile's router, in a cycle
    int32_t cycle = -1;
    uint8_t ports = 0;
  };

  explicit Fabric(const FabricSize& size);
  int Neighbour(int tile, Port port) const;
  int ChannelAt(int tile, int colour) const {
    return channel_of_[static_cast<size_t>(tile) * kColours + static_cast<size_t>(colour)];
  }
  void LinkChannels();
  void AllotTasks();
  void StepRouters();
  bool Move(Channel* channel, const Wavelet& head);
  bool MoveUp(Channel* channel);
  void StepCores();
  bool StepCore(int tile);
  bool Advance(int tile, Task* task, bool* ramp_used);
  void StartStep(int tile);
  void Wake(int channel);
  void WakeCore(int tile);

  FabricSize size_;
  std::vector<int> channel_of_;     // tile x colour, kNone without a route
  std::vector<uint8_t> colour_of_;  // of a channel
  std::vector<Channel> channels_;
  std::vector<RampQueue> ramps_;
  std::vector<uint32_t> memory_;
  std::vector<Program> programs_;  // of each core
  std::vector<Core> cores_;
  std::vector<Task> tasks_;
  std::vector<Busy> busy_;
  std::vector<int> active_;    // channels with something in link or up
  std::vector<int> awake_;     // cores that may be able to do something
  std::vector<int> arrivals_;  // channels, one a wavelet that comes in at the end of this cycle
  int32_t now_ = 0;
  int32_t next_ready_ = 0;  // earliest cycle at which a wavelet that is not ready yet will be
  int64_t moved_ = 0;
  int64_t unfinished_ = 0;
  RunResult result_;
};

}  // namespace waferline::fabric
