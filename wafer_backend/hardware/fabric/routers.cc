// Who may move is worked out for all tiles of a block at once, lane by lane; only where colours
// want one port of a tile does it depend on which comes first.
#include "wafer_backend/hardware/fabric/routers.h"

#include <array>
#include <bit>
#include <utility>

namespace waferline::fabric {
namespace {

constexpr size_t kFromCore = kSides, kToCore = kSides;  // beside the four sides

class Routers {
 public:
  Routers(Mesh* mesh, Block* block, StepTime time, Tally* tally)
      : mesh_(*mesh),
        block_(*block),
        lanes_(mesh->lanes.data() + block->first_lane),
        step_(time.step),
        active_lanes_(std::exchange(block->active_lanes[step_ % 2], 0)),
        tally_(*tally) {}

  uint32_t Run() {
    ForEachLane([&](Lane& lane, Wants& wants) { Look(lane, wants); });
    if (!block_.shares_ports || !Collide()) {
      ForEachLane([&](Lane& lane, Wants& wants) { wants.moved = Move(lane, wants, wants.any); });
    } else {
      MoveInTurns();
    }
    if (block_.shares_ports) Remember();
    return waiting_lanes_;
  }

 private:
  // From where each tile's next wavelet of a lane would come.
  struct Wants {
    std::array<Tiles, kSides + 1> from;
    Tiles any;
    Tiles moved;
  };

  template <typename F>
  [[gnu::always_inline]] void ForEachLane(F f) {
    ForEachTile(active_lanes_, [&](uint32_t number) { f(lanes_[number], wants_[number]); });
  }

  // Takes in what the last cycle brought.
  [[gnu::always_inline]] void Look(Lane& lane, Wants& wants) {
    wants = {};
    Tiles under_way = 0;
    for (Outlet* const out : lane.out) {
      if (out == nullptr) continue;
      out->room.Add(std::exchange(out->returned[(step_ - 1) % 2], 0));
    }
    // Links into one lane take turns; what is under way goes before what the core adds.
    for (size_t i = 0; i < kSides; ++i) {
      const size_t side = (i + step_) % kSides;
      Inlet* const in = lane.in[side];
      if (in == nullptr) continue;
      in->waiting.Add(std::exchange(in->arrived[(step_ - 1) % 2], 0));
      wants.from[side] = in->waiting.one & ~wants.any;
      wants.any |= in->waiting.one;
    }
    if (lane.down != nullptr) under_way |= Ripen(*lane.down) | lane.down->ready.any();
    if (lane.up != nullptr) {
      under_way |= Ripen(*lane.up);
      const Tiles ready = lane.up->ready.any();
      wants.from[kFromCore] = ready & ~wants.any;
      wants.any |= ready;
    }
    if ((under_way | wants.any) != 0) waiting_lanes_ |= 1u << (&lane - lanes_);
  }

  // Returns what is still under way.
  Tiles Ripen(Ramp& ramp) {
    ramp.ready.Add(std::exchange(ramp.under_way[step_ % 8], 0));
    Tiles under_way = 0;
    for (const Tiles tiles : ramp.under_way) under_way |= tiles;
    tally_.moved += under_way != 0;
    return under_way;
  }

  // Two colours want one port of a tile.
  bool Collide() {
    std::array<Tiles, kSides + 1> wanted = {};
    Tiles twice = 0;
    ForEachLane([&](const Lane& lane, const Wants& wants) {
      for (size_t port = 0; port < wanted.size(); ++port) {
        const Tiles tiles = wants.any & lane.to[port];
        twice |= wanted[port] & tiles;
        wanted[port] |= tiles;
      }
    });
    return twice != 0;
  }

  // A stream goes on until it pauses, then it is the turn of those that waited.
  void MoveInTurns() {
    ForEachLane([&](Lane& lane, Wants& wants) {
      wants.moved = Move(lane, wants, wants.any & lane.streaming);
    });
    ForEachLane([&](Lane& lane, Wants& wants) {
      wants.moved |= Move(lane, wants, wants.any & lane.waiting);
    });
    ForEachLane([&](Lane& lane, Wants& wants) {
      wants.moved |= Move(lane, wants, wants.any & ~(lane.streaming | lane.waiting));
    });
  }

  // What the next cycle's turns depend on.
  void Remember() {
    ForEachLane([&](Lane& lane, const Wants& wants) {
      Tiles more = lane.up != nullptr ? lane.up->Filled(mesh_.ramp_room) : 0;
      for (const Inlet* in : lane.in) more |= in != nullptr ? in->waiting.one : 0;
      lane.streaming = more & wants.moved;
      lane.waiting = more & ~wants.moved;
    });
  }

  // Of the tiles `tried`, each to all ports of its route, if all are free and have room.
  Tiles Move(Lane& lane, const Wants& wants, Tiles tried) {
    Tiles able = tried & lane.open, taken = 0;
    if (able == 0) return 0;
    for (size_t side = 0; side < kSides; ++side) {
      if (lane.out[side] == nullptr) continue;
      able &= ~lane.to[side] | lane.out[side]->room.one;
      taken |= lane.to[side] & busy_[side];
    }
    if (lane.down != nullptr) {
      able &= ~lane.to[kToCore] | lane.down->room.any();
      taken |= lane.to[kToCore] & busy_[kToCore];
    }
    const Tiles moved = able & ~taken;
    if (moved == 0) return 0;
    for (size_t port = 0; port < busy_.size(); ++port) busy_[port] |= moved & lane.to[port];
    for (size_t side = 0; side < kSides; ++side) {
      if (lane.in[side] != nullptr) FromLink(lane, *lane.in[side], moved & wants.from[side]);
    }
    if (lane.up != nullptr) FromCore(lane, *lane.up, moved & wants.from[kFromCore]);
    for (size_t side = 0; side < kSides; ++side) {
      if (lane.out[side] != nullptr) Announce(*lane.out[side], moved & lane.to[side]);
    }
    if (const Tiles down = moved & lane.to[kToCore]; down != 0) {
      lane.down->room.Remove(down);
      lane.down->under_way[(step_ + static_cast<uint32_t>(mesh_.ramp_cycles)) % 8] |= down;
      ForEachTile(down, [&](uint32_t at) { ++lane.down->tail[at]; });
    }
    ++tally_.moved;
    return moved;
  }

  [[gnu::always_inline]] void FromLink(const Lane& lane, Inlet& in, Tiles tiles) {
    if (tiles == 0) return;
    const Tiles head = in.head;
    Copy(lane, tiles, [&](uint32_t at) { return in.slots[at][head >> at & 1]; });
    in.head ^= tiles;
    in.waiting.Remove(tiles);
    Return(in.begin, in.back.Same(tiles));
    Return(in.begin_next, in.back.Next(tiles));
  }

  void Return(Outlet* begin, Tiles tiles) {
    if (tiles == 0) return;
    begin->returned[step_ % 2] |= tiles;
    mesh_.Wake(*begin->block, begin->lane, step_ + 1);
  }

  [[gnu::always_inline]] void FromCore(const Lane& lane, Ramp& up, Tiles tiles) {
    if (tiles == 0) return;
    Copy(lane, tiles, [&](uint32_t at) { return up.At(at, up.head[at]); });
    ForEachTile(tiles, [&](uint32_t at) { ++up.head[at]; });
    up.ready.Remove(tiles);
    up.room.Add(tiles);
  }

  template <typename Source>
  [[gnu::always_inline]] void Copy(const Lane& lane, Tiles tiles, Source source) {
    for (size_t side = 0; side < kSides; ++side) {
      if (lane.out[side] == nullptr) continue;
      const Outlet& out = *lane.out[side];
      const Tiles to = tiles & lane.to[side], next = to & out.on.Last();
      const Tiles tail = out.tail;
      if (to != next) {
        auto* const slots = out.end->slots.data() + out.on.by;
        ForEachTile(to & ~next, [&](uint32_t at) { slots[at][tail >> at & 1] = source(at); });
      }
      if (next != 0) {
        const auto at = static_cast<uint32_t>(std::countr_zero(next));
        out.end_next->slots[at ^ (kBlockTiles - 1)][tail >> at & 1] = source(at);
      }
    }
    if (lane.down == nullptr) return;
    Ramp& down = *lane.down;
    ForEachTile(tiles & lane.to[kToCore],
                [&](uint32_t at) { down.At(at, down.tail[at]) = source(at); });
  }

  [[gnu::always_inline]] void Announce(Outlet& out, Tiles tiles) {
    if (tiles == 0) return;
    out.tail ^= tiles;
    out.room.Remove(tiles);
    tally_.hops += std::popcount(tiles);
    Arrive(out.end, out.on.Same(tiles));
    Arrive(out.end_next, out.on.Next(tiles));
  }

  void Arrive(Inlet* end, Tiles tiles) {
    if (tiles == 0) return;
    end->arrived[step_ % 2] |= tiles;
    mesh_.Wake(*end->block, end->lane, step_ + 1);
  }

  Mesh& mesh_;
  Block& block_;
  Lane* const lanes_;
  const uint32_t step_;
  const uint32_t active_lanes_;
  Tally& tally_;
  uint32_t waiting_lanes_ = 0;
  std::array<Tiles, kSides + 1> busy_ = {};
  std::array<Wants, kColours> wants_;
};

}  // namespace

uint32_t StepRouters(Mesh* mesh, Block* block, StepTime time, Tally* tally) {
  return Routers(mesh, block, time, tally).Run();
}

}  // namespace waferline::fabric
