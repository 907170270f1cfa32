// Cores act by groups of like operations, so that a group's loop does one thing; of several that
// want to give, the first group in order has the core's ramp.
#include "wafer_backend/hardware/fabric/cores.h"

#include <array>
#include <bit>
#include <utility>

#include "wafer_backend/base/check.h"
#include "wafer_backend/hardware/fabric/core_steps.h"

namespace waferline::fabric {
namespace {

using Kind = Operation::Kind;

class Cores {
 public:
  Cores(Mesh* mesh, Block* block, StepTime time, uint32_t* lanes, Tally* tally)
      : mesh_(*mesh),
        block_(*block),
        lanes_(mesh->lanes.data() + block->first_lane),
        memory_(mesh->memory + block->first_tile * mesh->memory_stride),
        time_(time),
        given_lanes_(*lanes),
        tally_(*tally),
        ended_(std::exchange(block->ended, 0)) {}

  bool Run() {
    OperationGroup* const groups = mesh_.groups.data() + block_.first_group;
    for (int i = 0; i < block_.groups; ++i) {
      if (groups[i].tiles != 0) Act(groups[i]);
    }
    if (block_.computing != 0) Compute();
    ForEachTile(ended_, [&](uint32_t at) { End(at); });
    ForEachTile(used_lanes_, [&](uint32_t i) { Settle(lanes_[i], uses_[i]); });
    const bool acted = acted_ || ended_ != 0;
    tally_.moved += acted;
    return acted || block_.computing != 0;
  }

 private:
  // Cores that took from a lane in this cycle, and that gave to it.
  struct LaneUse {
    Tiles taken, given;
  };

  [[gnu::always_inline]] void Act(OperationGroup& group) {
    const OperationGroup::Key key = group.key;
    Tiles tiles = group.tiles;
    // A ramp hands over one wavelet a cycle, and takes one of all operations together.
    if (Takes(key.kind)) tiles &= lanes_[key.in].down->ready.any() & ~UseOf(key.in).taken;
    if (Gives(key.kind)) tiles &= lanes_[key.out].up->room.any() & ~gave_;
    if (tiles == 0) return;
    acted_ = true;
    switch (key.kind) {
      case Kind::kSend:
        Advance<Kind::kSend>(group, tiles);
        break;
      case Kind::kReceive:
        Advance<Kind::kReceive>(group, tiles);
        break;
      case Kind::kAdd:
        Advance<Kind::kAdd>(group, tiles);
        break;
      case Kind::kAddAndSend:
        Advance<Kind::kAddAndSend>(group, tiles);
        break;
      case Kind::kReceiveAndSend:
        Advance<Kind::kReceiveAndSend>(group, tiles);
        break;
      case Kind::kCompute:
        break;
    }
  }

  // One wavelet of an operation, for cores that have it on their ramp and room for what they give.
  template <Kind kKind>
  void Advance(OperationGroup& group, Tiles tiles) {
    constexpr bool kTakes = Takes(kKind);
    constexpr bool kGives = Gives(kKind);
    constexpr bool kAdds = kKind == Kind::kAdd || kKind == Kind::kAddAndSend;
    const OperationGroup::Key key = group.key;
    Ramp* const in = kTakes ? lanes_[key.in].down : nullptr;
    Ramp* const out = kGives ? lanes_[key.out].up : nullptr;
    GroupProgress& all = mesh_.progress[static_cast<size_t>(&group - mesh_.groups.data())];
    Tiles done = 0;
    ForEachTile(tiles, [&](uint32_t at) {
      Progress& progress = all[at];
      Wavelet wavelet = {.index = static_cast<uint32_t>(progress.done)};
      if constexpr (kTakes) wavelet = in->At(at, in->head[at]++);
      uint32_t& word = WordOf(at, progress.offset, wavelet.index);
      if constexpr (!kTakes) wavelet.value = word;
      if constexpr (kAdds) wavelet.value += word;
      if constexpr (kTakes) word = wavelet.value;
      if constexpr (kGives) out->At(at, out->tail[at]++) = wavelet;
      done |= Tiles{++progress.done == progress.length} << at;
    });
    if constexpr (kTakes) UseOf(key.in).taken |= tiles;
    if constexpr (kGives) {
      gave_ |= tiles;
      UseOf(key.out).given |= tiles;
      given_lanes_ |= 1u << key.out;
    }
    group.tiles &= ~done;
    ForEachTile(done, [&](uint32_t at) { ended_ |= Tiles{--CoreAt(at).left == 0} << at; });
  }

  LaneUse& UseOf(int8_t lane) {
    LaneUse& use = uses_[static_cast<size_t>(lane)];
    if ((used_lanes_ >> lane & 1) == 0) use = {};
    used_lanes_ |= 1u << lane;
    return use;
  }

  Core& CoreAt(uint32_t at) { return mesh_.cores[static_cast<size_t>(block_.first_tile) + at]; }

  // Where in the core's memory an operation's word `index` lies; a program that leaves it is a bug.
  [[gnu::always_inline]] uint32_t& WordOf(uint32_t at, int32_t offset, uint32_t index) const {
    const int64_t word = int64_t{offset} + index;
    WL_CHECK(word >= 0 && word < mesh_.words);
    uint32_t* const found = memory_ + at * mesh_.memory_stride + word;
    __builtin_prefetch(found + 16);  // most operations walk on: the next cache line
    return *found;
  }

  // Nothing to simulate in between: a grid that only computes is skipped to its end.
  void Compute() {
    if (time_.now >= block_.next_computed) {
      block_.next_computed = kNever;
      Tiles done = 0;
      ForEachTile(block_.computing, [&](uint32_t at) {
        const int32_t until = CoreAt(at).computes_until;
        if (time_.now >= until) {
          done |= Tiles{1} << at;
        } else {
          block_.next_computed = std::min(block_.next_computed, until);
        }
      });
      block_.computing &= ~done;
      ended_ |= done;
    }
    if (block_.computing != 0) {
      tally_.next_ready = std::min(tally_.next_ready, block_.next_computed);
    }
  }

  // The step of a core that has ended an operation, if that was the last.
  void End(uint32_t at) {
    if (CoreAt(at).left != 0 || (block_.computing >> at & 1) != 0) return;
    if (!NextStep(&mesh_, &block_, at, time_.now + 1)) ++tally_.finished;
  }

  void Settle(Lane& lane, const LaneUse& use) {
    if (use.taken != 0) {
      lane.down->ready.Remove(use.taken);
      lane.down->room.Add(use.taken);
      tally_.taken += std::popcount(use.taken);
    }
    if (use.given != 0) {
      lane.up->room.Remove(use.given);
      // The operation itself takes the cycle, then the ramp.
      lane.up->under_way[(time_.step + 1 + static_cast<uint32_t>(mesh_.ramp_cycles)) % 8] |=
          use.given;
      tally_.sent += std::popcount(use.given);
    }
  }

  Mesh& mesh_;
  Block& block_;
  Lane* const lanes_;
  uint32_t* const memory_;  // of the block's first core
  const StepTime time_;
  uint32_t& given_lanes_;
  Tally& tally_;
  bool acted_ = false;
  Tiles ended_;     // cores that may have come to their step's end
  Tiles gave_ = 0;  // whose ramp has been used
  uint32_t used_lanes_ = 0;
  std::array<LaneUse, kColours> uses_;  // of those
};

}  // namespace

bool StepCores(Mesh* mesh, Block* block, StepTime time, uint32_t* lanes, Tally* tally) {
  return Cores(mesh, block, time, lanes, tally).Run();
}

}  // namespace waferline::fabric
