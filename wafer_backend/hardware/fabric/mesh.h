// What a run of a Fabric works on: blocks of 64 neighbours in a row, and for each block a lane for
// every colour that one of its tiles has a route for. Who may move is worked out for a block's
// tiles at once, in bits (tile_bits.h); only the wavelets themselves are moved one by one.
// Internal to this folder.
//
// Rows take their cycles one after another in any order in which neighbours are never more than one
// apart (row_stepper.h). So that the order makes no difference, blocks tell each other of a cycle
// by what they read in the next: there is one place for cycles of either parity.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "wafer_backend/hardware/fabric/fabric.h"
#include "wafer_backend/hardware/fabric/tile_bits.h"

namespace waferline::fabric {

struct Wavelet {
  uint32_t value = 0;
  uint32_t index = 0;
};

inline constexpr int kSides = 4;          // north, east, south, west: a Port's bit number
inline constexpr uint32_t kRampRoom = 8;  // of which ramp_cycles + 3 are used
inline constexpr int kNone = -1;

struct Block;

// Where bits of this block's tiles lie in a neighbour's: a link to the east leads from bit i to bit
// i + 1 of the same block, and from its last to the first of the next.
struct Shift {
  int by = 0;  // 1, 0 or -1

  Tiles Same(Tiles tiles) const { return by > 0 ? tiles << 1 : by < 0 ? tiles >> 1 : tiles; }
  Tiles Next(Tiles tiles) const { return by > 0 ? tiles >> 63 : by < 0 ? tiles << 63 : 0; }
  // The tile whose link leads into the next block.
  Tiles Last() const { return by > 0 ? Tiles{1} << 63 : by < 0 ? 1 : 0; }
};

struct Outlet;

// The ends of a lane's links that come in from one side, each with a queue of two wavelets.
struct Inlet {
  UpToTwo waiting;
  Tiles head = 0;                     // which of two slots is the first in the queue
  std::array<Tiles, 2> arrived = {};  // written by the begin in cycles of either parity
  Shift back;                         // to the tile where the link begins
  Outlet* begin = nullptr;            // of the same or the neighbour row's block ...
  Outlet* begin_next = nullptr;       // ... and of the one next to it, by Shift::Next
  Block* block = nullptr;             // of this inlet
  uint32_t lane = 0;                  // of the block, as a bit
  std::array<std::array<Wavelet, 2>, kBlockTiles> slots;
};

// The begins of a lane's links to one side.
struct Outlet {
  UpToTwo room;                        // at the end, as far as known
  Tiles tail = 0;                      // which slot the next one goes to
  std::array<Tiles, 2> returned = {};  // room, written by the end in cycles of either parity
  Shift on;
  Inlet* end = nullptr;
  Inlet* end_next = nullptr;
  Block* block = nullptr;  // of this outlet
  uint32_t lane = 0;
};

// A cache line.
struct alignas(64) RampRing {
  std::array<Wavelet, kRampRoom> slots;
};

// What waits between cores and their routers on one lane, in one direction.
struct Ramp {
  Tiles tiles = 0;
  UpToFifteen ready, room;
  std::array<Tiles, 8> under_way = {};  // by the step, modulo 8, from which on it is ready
  std::array<uint8_t, kBlockTiles> head = {}, tail = {};  // of each tile's ring
  std::array<uint8_t, kBlockTiles> place = {};            // of a tile among `tiles`
  RampRing* rings = nullptr;

  Wavelet& At(uint32_t at, uint32_t slot) { return rings[place[at]].slots[slot % kRampRoom]; }
  // Tiles whose room is not all of `capacity`.
  Tiles Filled(int capacity) const {
    Tiles filled = 0;
    for (size_t i = 0; i < room.digits.size(); ++i) {
      filled |= room.digits[i] ^ ((capacity >> i & 1) != 0 ? tiles : 0);
    }
    return filled;
  }
};

// One colour in one block.
struct Lane {
  std::array<Inlet*, kSides> in = {};  // null where no tile has such a link
  std::array<Outlet*, kSides> out = {};
  Ramp* up = nullptr;  // from the core
  Ramp* down = nullptr;
  std::array<Tiles, kSides + 1> to = {};  // tiles whose route leads there
  Tiles open = 0;  // whose route leads somewhere, and nowhere off the grid or to no route
  // Tiles on which something was left in the last cycle: behind what moved, or that could not move.
  Tiles streaming = 0, waiting = 0;
};

constexpr bool Takes(Operation::Kind kind) {
  return kind != Operation::Kind::kSend && kind != Operation::Kind::kCompute;
}
constexpr bool Gives(Operation::Kind kind) {
  return kind == Operation::Kind::kSend || kind == Operation::Kind::kAddAndSend ||
         kind == Operation::Kind::kReceiveAndSend;
}

// Operations of one kind that cores of a block do on the same lanes.
struct OperationGroup {
  struct Key {
    Operation::Kind kind = Operation::Kind::kSend;
    int8_t in = kNone;  // lanes of the block
    int8_t out = kNone;
    uint8_t number = 0;  // a step may have several
    bool operator==(const Key&) const = default;
  };
  Key key;
  Tiles tiles = 0;  // cores that are not done with it and have its ramps
};
// How far each core is with its operation of a group.
struct Progress {
  int32_t offset = 0;
  int32_t length = 0;
  int32_t done = 0;
};
using GroupProgress = std::array<Progress, kBlockTiles>;

struct Core {
  int32_t computes_until = 0;  // the last cycle of it
  int32_t round = 0;
  uint16_t step = 0;
  uint16_t left = 0;  // operations that the current step is not done with
};

struct Block {
  int32_t row = 0, column = 0;  // of blocks
  int32_t first_tile = 0;
  int32_t tiles = 0;
  int32_t first_lane = 0;
  int32_t lanes = 0;
  int32_t first_group = 0;
  int32_t groups = 0;
  std::array<int8_t, kColours> lane_of;  // by colour, counted from the first; kNone without one
  // Lanes on which something waits or has come, a bit each, for steps of either parity.
  std::array<uint32_t, 2> active_lanes = {};
  bool shares_ports = false;  // two colours of one tile lead to one port
  Tiles running = 0;          // cores that have something left to do
  Tiles computing = 0;
  Tiles ended = 0;            // cores whose step may be done, as of the next cycle
  int32_t next_computed = 0;  // the earliest computes_until
};

struct Mesh {
  explicit Mesh(Fabric* of);  // which must outlive it

  const Program* programs;  // of each core
  int columns, rows, words, ramp_cycles;
  int ramp_room;  // wavelets on a ramp
  int row_blocks;
  uint32_t* memory;
  int64_t memory_stride;  // words from one core's to the next's
  std::vector<Block> blocks;
  std::vector<Lane> lanes;
  std::vector<Inlet> inlets;
  std::vector<Outlet> outlets;
  std::vector<Ramp> ramps;
  std::vector<RampRing> rings;
  std::vector<Core> cores;
  std::vector<OperationGroup> groups;
  std::vector<GroupProgress> progress;  // of each group

  // Blocks with something to do, a bit each for every row, for steps of either parity.
  std::array<std::vector<uint32_t>, 2> active;
  void Wake(Block& block, uint32_t lanes_of_it, uint32_t step) {
    block.active_lanes[step % 2] |= lanes_of_it;
    active[step % 2][static_cast<size_t>(block.row)] |= 1u << block.column;
  }
  // The group of a block to which a step's operation belongs; nothing for arithmetic, and for what
  // has no route.
  static std::optional<OperationGroup::Key> GroupOf(const Block& block, const ProgramStep& step,
                                                    size_t number);
  OperationGroup* FindGroup(const Block& block, OperationGroup::Key key);  // null without one

  int64_t InFlight() const;

 private:
  using LanePorts = std::array<Tiles, kSides + 1>;  // from where wavelets come

  std::vector<LanePorts> AddLanes(const Fabric& fabric);
  void AddLinks(const std::vector<LanePorts>& from);
  void JoinLinks(const Block& block, int colour, size_t side, const std::vector<LanePorts>& from);
  void AddRamps(const std::vector<LanePorts>& from);
  void AddGroups();
  int LaneOn(const Block& block, int colour, size_t side) const;
};

}  // namespace waferline::fabric
