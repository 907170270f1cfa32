#include "wafer_backend/hardware/fabric/row_stepper.h"

#include <algorithm>
#include <bit>

#include "wafer_backend/base/check.h"
#include "wafer_backend/hardware/fabric/core_steps.h"

namespace waferline::fabric {
namespace {

// Where the simulator spends its time: the work of one tile after another, inlined into one loop
// over the active ones.
class RowStepper {
 public:
  RowStepper(Mesh* mesh, int row, StepTime time)
      : mesh_(*mesh),
        tiles_(mesh->tiles.data()),
        channels_(mesh->channels.data()),
        outs_(mesh->outs.data()),
        links_(mesh->links.data()),
        ramps_(mesh->ramps.data()),
        tasks_(mesh->tasks.data()),
        arrivals_(mesh->arrivals.data()),
        next_(mesh->Active(time.step + 1, row)),
        row_words_(mesh->row_words),
        row_(row),
        step_(time.step),
        now_(time.now),
        ramp_cycles_(mesh->ramp_cycles),
        ramp_room_(static_cast<uint32_t>(mesh->ramp_room)) {}

  void Run() {
    uint64_t* const active = mesh_.Active(step_, row_);
    for (int i = 0; i < row_words_; ++i) {
      uint64_t word = active[i];
      active[i] = 0;
      for (; word != 0; word &= word - 1) {
        Tile(row_ * mesh_.columns + i * 64 + std::countr_zero(word));
      }
    }
  }
  const Tally& tally() const { return tally_; }

 private:
  Ramp& RampAt(int32_t line) const { return reinterpret_cast<Ramp&>(ramps_[line]); }

  void Wake(int tile, int down) {
    const int column = tile - (row_ + down) * mesh_.columns;
    next_[down * row_words_ + column / 64] |= uint64_t{1} << column % 64;
  }

  [[gnu::always_inline]] void Tile(int tile) {
    TileState& state = tiles_[tile];
    TakeArrivals(tile, state);
    if (state.waiting != 0) Router(state);
    if (state.core_awake) Core(tile, state);
    if (state.waiting != 0 || state.core_awake) Wake(tile, 0);
  }

  // Wavelets that came in the last cycle.
  [[gnu::always_inline]] void TakeArrivals(int tile, TileState& state) {
    Arrivals& arrivals = arrivals_[tile][(step_ - 1) % 2];
    auto all = std::bit_cast<uint64_t>(arrivals);
    if (all == 0) return;
    arrivals = {};
    do {
      const int at = std::countr_zero(all) & ~15;
      Link& link = links_[state.first_link + static_cast<int>((all >> at) & 0xffff) - 1];
      ++link.count;
      state.AddLive(link.channel);
      all &= ~(uint64_t{0xffff} << at);
    } while (all != 0);
  }

  [[gnu::always_inline]] void Router(TileState& state) {
    uint32_t busy = 0, kept = 0;
    for (uint32_t i = 0; i < state.waiting; ++i) {
      const uint8_t number = state.order[i];
      const Channel& channel = channels_[state.first_channel + number];
      bool waits;
      if (channel.ins == 1 && channel.up == kNone) {
        Link& link = links_[channel.first_in];
        if (Move(state, channel, link.head(), busy)) link.Pop(step_);
        waits = link.count != 0;
      } else {
        waits = MoveSeveral(state, channel, busy);
      }
      if (waits) {
        state.order[kept++] = number;
      } else {
        state.live &= ~(1u << number);
      }
    }
    state.waiting = kept;
  }

  // What waits in a channel, from its links and then from the core. True if something still does.
  [[gnu::always_inline]] bool MoveSeveral(TileState& state, const Channel& channel,
                                          uint32_t& busy) {
    bool waits = false;
    for (uint32_t i = 0; i < channel.ins; ++i) {
      // Links into one channel take turns.
      const uint32_t in = channel.ins == 1 ? 0 : (step_ + i) % channel.ins;
      Link& link = links_[channel.first_in + static_cast<int32_t>(in)];
      if (link.count == 0) continue;
      // What is under way goes before what the core adds.
      if (Move(state, channel, link.head(), busy)) link.Pop(step_);
      waits |= link.count != 0;
    }
    if (channel.up == kNone) return waits;
    Ramp& up = RampAt(channel.up);
    if (up.count == 0) return waits;
    if (up.front().ready > now_) {
      tally_.next_ready = std::min(tally_.next_ready, up.front().ready);
    } else if (Move(state, channel, up.front().wavelet, busy)) {
      if (up.count == ramp_room_) state.core_awake = state.running;  // room for the core again
      up.Pop(ramp_room_);
    }
    return waits || up.count != 0;
  }

  // To all ports of the channel's route, if all are free and have room where they lead.
  [[gnu::always_inline]] bool Move(TileState& state, const Channel& channel, const Wavelet& head,
                                   uint32_t& busy) {
    if ((busy & channel.to) != 0) return false;
    Ramp* const down = channel.down == kNone ? nullptr : &RampAt(channel.down);
    if (down != nullptr && down->count >= ramp_room_) return false;
    const Wavelet wavelet = head;
    if (channel.out_count == 1) {
      Link& link = links_[outs_[channel.first_out].link];
      if (!link.Room(step_)) return false;
      link.Push(wavelet);
      Announce(outs_[channel.first_out]);
    } else {
      if (channel.blocked) return false;
      const Out* const outs = outs_ + channel.first_out;
      for (uint32_t i = 0; i < channel.out_count; ++i) {
        if (!links_[outs[i].link].Room(step_)) return false;
      }
      for (uint32_t i = 0; i < channel.out_count; ++i) {
        links_[outs[i].link].Push(wavelet);
        Announce(outs[i]);
      }
    }
    busy |= channel.to;
    tally_.hops += channel.out_count;
    if (down != nullptr) {
      down->Push(wavelet, now_ + ramp_cycles_, ramp_room_);
      state.core_awake = state.running;
    }
    ++tally_.moved;
    return true;
  }

  [[gnu::always_inline]] void Announce(const Out& out) {
    arrivals_[out.tile][step_ % 2][out.port] = static_cast<uint16_t>(out.number + 1);
    constexpr int kDown[] = {1, 0, -1, 0};  // came by the north port: one row below
    Wake(out.tile, kDown[out.port]);
  }

  // Where in the core's memory an operation's word `index` lies; a program that leaves it is a bug.
  uint32_t& WordOf(int tile, int32_t offset, uint32_t index) const {
    const int64_t at = int64_t{offset} + index;
    WL_CHECK(at >= 0 && at < mesh_.words);
    return mesh_.memory[int64_t{tile} * mesh_.words + at];
  }

  // One operation for one cycle; true if it did something.
  [[gnu::always_inline]] bool Advance(int tile, TileState& state, Task& task, bool& ramp_used) {
    using Kind = Operation::Kind;
    if (task.done >= task.length) return false;
    if (task.kind == Kind::kCompute) {
      // Nothing to simulate in between: a grid that only computes is skipped to its end.
      const int32_t last = state.step_began + task.length - 1;
      if (now_ < last) {
        tally_.next_ready = std::min(tally_.next_ready, last);
        return false;
      }
      task.done = task.length;
      return true;
    }
    const bool takes = task.takes(), gives = task.gives();
    if ((takes && task.in == kNone) || (gives && (ramp_used || task.out == kNone))) return false;
    Ramp& in = RampAt(takes ? task.in : task.out);
    Ramp& out = RampAt(gives ? task.out : task.in);
    if ((takes && in.count == 0) || (gives && out.count >= ramp_room_)) return false;
    auto index = static_cast<uint32_t>(task.done);
    uint32_t value;
    if (takes) {
      const Ramp::Entry& entry = in.front();
      if (entry.ready > now_) {
        tally_.next_ready = std::min(tally_.next_ready, entry.ready);
        return false;
      }
      index = entry.wavelet.index;
      value = entry.wavelet.value;
      uint32_t& word = WordOf(tile, task.offset, index);
      if (task.kind == Kind::kAdd || task.kind == Kind::kAddAndSend) value += word;
      word = value;
      in.Pop(ramp_room_);
      ++tally_.taken;
    } else {
      value = WordOf(tile, task.offset, index);
    }
    if (gives) {
      ramp_used = true;
      // The operation itself takes the cycle, then the ramp.
      out.Push({value, index}, now_ + 1 + ramp_cycles_, ramp_room_);
      state.AddLive(task.out_channel);
      ++tally_.sent;
    }
    ++task.done;
    return true;
  }

  [[gnu::always_inline]] void Core(int tile, TileState& state) {
    Task* const first = tasks_ + state.first_task;
    bool acted = false, ramp_used = false, finished = true, waiting = false;
    for (Task* task = first; task != first + state.tasks; ++task) {
      acted |= Advance(tile, state, *task, ramp_used);
      if (task->done >= task->length) continue;
      finished = false;
      // Time, or something on its ramp that is not ready: no arrival will wake the core for it.
      waiting |= task->kind == Operation::Kind::kCompute ||
                 (task->in != kNone && RampAt(task->in).count > 0);
    }
    tally_.moved += acted;
    state.core_awake = acted || waiting;
    if (finished) {
      state.core_awake = NextStep(&mesh_, tile, now_ + 1);
      tally_.finished += !state.core_awake;
    }
  }

  Mesh& mesh_;
  TileState* const tiles_;
  const Channel* const channels_;
  const Out* const outs_;
  Link* const links_;
  RampLine* const ramps_;
  Task* const tasks_;
  std::array<Arrivals, 2>* const arrivals_;
  uint64_t* const next_;  // active tiles of this row in the next cycle
  const int row_words_;
  const int row_;
  const uint32_t step_;
  const int32_t now_;
  const int32_t ramp_cycles_;
  const uint32_t ramp_room_;
  Tally tally_;
};

}  // namespace

void Tally::Add(const Tally& other) {
  moved += other.moved;
  hops += other.hops;
  sent += other.sent;
  taken += other.taken;
  finished += other.finished;
  next_ready = std::min(next_ready, other.next_ready);
}

void StepRow(Mesh* mesh, int row, StepTime time, Tally* tally) {
  RowStepper stepper(mesh, row, time);
  stepper.Run();
  tally->Add(stepper.tally());
}

}  // namespace waferline::fabric
