#include "wafer_backend/hardware/fabric/line.h"

#include <utility>

namespace waferline::fabric {
namespace {

using Kind = Operation::Kind;

void AddStep(const Line& line, int core, Operation op, Programs* programs) {
  (*programs)[static_cast<size_t>(line.Tile(core))].steps.push_back({op});
}

}  // namespace

void RoutePath(const Line& line, int colour, int from, int to) {
  const int step = to > from ? 1 : -1;
  const Port ahead = step > 0 ? line.Up() : line.Down();
  const Port behind = step > 0 ? line.Down() : line.Up();
  line.fabric->Route(line.Tile(from), colour, kRamp, ahead);
  for (int i = from + step; i != to; i += step) {
    line.fabric->Route(line.Tile(i), colour, behind, ahead);
  }
  line.fabric->Route(line.Tile(to), colour, behind, kRamp);
}

void AddChain(const Line& line, const Chain& chain, Programs* programs) {
  const int cores = (chain.last - chain.first) / chain.stride + 1;
  if (cores < 2) return;
  // Neighbours in the chain use different colours: what a core takes must not look like what it
  // gives.
  const auto colour_of = [&](int k) { return static_cast<uint8_t>(chain.colour + k % 2); };
  for (int k = cores - 1; k >= 0; --k) {
    const int core = chain.first + k * chain.stride;
    if (k > 0) RoutePath(line, colour_of(k), core, core - chain.stride);
    Operation op{Kind::kAddAndSend, colour_of(k + 1), colour_of(k), 0, chain.length};
    if (k == cores - 1) op.kind = Kind::kSend;
    if (k == 0) op.kind = Kind::kAdd;
    AddStep(line, core, op, programs);
  }
}

void AddRelay(const Line& line, int colour, int length, Programs* programs) {
  const auto colour_of = [&](int core) { return static_cast<uint8_t>(colour + core % 2); };
  for (int core = 0; core < line.n; ++core) {
    if (core + 1 < line.n) RoutePath(line, colour_of(core), core, core + 1);
    Operation op{Kind::kReceiveAndSend, colour_of(core + 1), colour_of(core), 0, length};
    if (core == 0) op.kind = Kind::kSend;
    if (core + 1 == line.n) op.kind = Kind::kReceive;
    AddStep(line, core, op, programs);
  }
}

void AddBroadcast(const Line& line, int colour, int length, Programs* programs) {
  const uint8_t c = static_cast<uint8_t>(colour);
  line.fabric->Route(line.Tile(0), colour, kRamp, line.Up());
  AddStep(line, 0, {Kind::kSend, c, c, 0, length}, programs);
  for (int i = 1; i < line.n; ++i) {
    const uint8_t on = i + 1 < line.n ? static_cast<uint8_t>(kRamp | line.Up()) : uint8_t{kRamp};
    line.fabric->Route(line.Tile(i), colour, line.Down(), on);
    AddStep(line, i, {Kind::kReceive, c, c, 0, length}, programs);
  }
}

void SetPrograms(Programs programs, Fabric* fabric) {
  for (size_t tile = 0; tile < programs.size(); ++tile) {
    if (!programs[tile].steps.empty()) {
      fabric->SetProgram(static_cast<int>(tile), std::move(programs[tile]));
    }
  }
}

}  // namespace waferline::fabric
