// What a run of a Fabric works on: routes looked up once for all wavelets, and everything that
// waits, in the order of tiles, so that a cycle walks memory forward. Internal to this folder.
//
// Rows take their cycles one after another in any order in which neighbours are never more than one
// apart (row_stepper.h). So that the order makes no difference, a row in cycle t sees of its
// neighbours what they did up to t - 1: what they may have done in t already is known by t.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "wafer_backend/hardware/fabric/fabric.h"

namespace waferline::fabric {

struct Wavelet {
  uint32_t value = 0;
  uint32_t index = 0;
};

inline constexpr uint32_t kLinkRoom = 2;
inline constexpr int kRampRoom = 8;  // of which ramp_cycles + 3 are used
inline constexpr int kNone = -1;

// One colour on its way from one tile to a neighbour, and the queue at its end.
struct Link {
  std::array<Wavelet, kLinkRoom> ring;
  uint32_t popped = 0;    // how often; written by the end's tile, as the next
  uint32_t last_pop = 0;  // cycle
  uint32_t pushed = 0;    // how often; of the begin's tile
  uint16_t count = 0;     // waiting at the end's tile, which owns it
  uint16_t channel = 0;   // of that tile, counted from its first

  // For the begin's tile: is there room, as of the end of the last cycle?
  bool Room(uint32_t cycle) const { return pushed - popped + (last_pop == cycle) < kLinkRoom; }
  void Push(const Wavelet& w) { ring[pushed++ % kLinkRoom] = w; }
  // For the end's tile.
  const Wavelet& head() const { return ring[popped % kLinkRoom]; }
  void Pop(uint32_t cycle) {
    ++popped;
    last_pop = cycle;
    --count;
  }
};

// What waits between a core and its router, a ring; each not before its cycle. It takes no more of
// its memory than its room needs, most often one cache line (RampLine).
struct Ramp {
  struct Entry {
    Wavelet wavelet;
    int32_t ready = 0;
  };
  uint16_t head = 0;
  uint16_t count = 0;
  std::array<Entry, kRampRoom> ring;

  void Push(const Wavelet& w, int32_t ready, uint32_t room) {
    const uint32_t at = uint32_t{head} + count++;
    ring[at < room ? at : at - room] = {w, ready};
  }
  const Entry& front() const { return ring[head]; }
  void Pop(uint32_t room) {
    head = static_cast<uint16_t>(head + 1u == room ? 0 : head + 1u);
    --count;
  }
  static constexpr size_t Bytes(int room) {
    return offsetof(Ramp, ring) + static_cast<size_t>(room) * sizeof(Entry);
  }
};
struct alignas(64) RampLine {
  std::byte bytes[64];
};

// From a channel to a neighbour.
struct Out {
  int32_t link = kNone;
  int32_t tile = kNone;
  uint16_t port = 0;    // number of the neighbour's port, 0 to 3
  uint16_t number = 0;  // of the link among those that end at that tile
};

// One colour at one tile that has a route.
struct Channel {
  int32_t first_in = 0;   // of the links that end here
  int32_t first_out = 0;  // in outs
  int32_t up = kNone;     // ramps' first lines, from the core and to it
  int32_t down = kNone;
  uint16_t to = 0;  // ports
  uint8_t ins = 0;
  uint8_t out_count = 0;
  bool blocked = false;  // leads off the grid, or to where nothing comes in by it, or nowhere
};

// An operation of a core's current step, its ramps looked up.
struct Task {
  Operation::Kind kind = Operation::Kind::kCompute;
  uint16_t out_channel = 0;  // of the tile, counted from its first
  int32_t in = kNone;        // ramps
  int32_t out = kNone;
  int32_t offset = 0;
  int32_t length = 0;
  int32_t done = 0;

  bool takes() const { return kind != Operation::Kind::kSend && kind != Operation::Kind::kCompute; }
  bool gives() const {
    return kind == Operation::Kind::kSend || kind == Operation::Kind::kAddAndSend ||
           kind == Operation::Kind::kReceiveAndSend;
  }
};

struct TileState {
  uint32_t live = 0;                    // channels with something that waits, a bit each
  uint32_t waiting = 0;                 // how many
  std::array<uint8_t, kColours> order;  // which, the one that has waited longest first
  int32_t first_channel = 0;
  int32_t first_link = 0;  // of those that end here
  int32_t first_task = 0;
  int32_t step_began = 0;
  int32_t round = 0;
  uint16_t step = 0;
  uint16_t tasks = 0;       // of the current step
  bool running = false;     // the core has something left to do
  bool core_awake = false;  // and may be able to do it

  void AddLive(uint32_t channel) {
    if ((live & 1u << channel) != 0) return;
    live |= 1u << channel;
    order[waiting++] = static_cast<uint8_t>(channel);
  }
};

// By port.
using Arrivals = std::array<uint16_t, 4>;

struct Mesh {
  explicit Mesh(Fabric* of);  // which must outlive it

  int ChannelOf(int tile, int colour) const;  // kNone without a route

  const Fabric& fabric;
  const Program* programs;  // of each core
  int columns, rows, words, ramp_cycles;
  int ramp_room;  // wavelets on a ramp
  uint32_t* memory;
  std::vector<TileState> tiles;    // and one behind the last
  std::vector<uint8_t> colour_of;  // of a channel
  std::vector<Channel> channels;
  std::vector<Out> outs;
  std::vector<Link> links;
  std::vector<RampLine> ramps;  // each some lines, zero when empty
  Ramp& RampAt(int32_t line) { return reinterpret_cast<Ramp&>(ramps[static_cast<size_t>(line)]); }
  std::vector<Task> tasks;
  // Of each tile, for cycles of either parity and each of its four ports: 1 + the number of the
  // link by which a wavelet came in that cycle, or 0. Written by the neighbour, taken a cycle
  // later.
  std::vector<std::array<Arrivals, 2>> arrivals;

  // Tiles with something to do, a bit each, `row_words` words a row, for cycles of either parity.
  int row_words;
  std::array<std::vector<uint64_t>, 2> active;
  uint64_t* Active(uint32_t cycle, int row) {
    return active[cycle % 2].data() + int64_t{row} * row_words;
  }

  int64_t InFlight();

 private:
  void AddChannels();
  void AddLinks();
  void AddTasks();
};

}  // namespace waferline::fabric
