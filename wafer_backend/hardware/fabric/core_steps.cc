#include "wafer_backend/hardware/fabric/core_steps.h"

#include <algorithm>
#include <bit>

namespace waferline::fabric {
namespace {

bool HasRamp(const Ramp* ramp, Tiles tile) { return ramp != nullptr && (ramp->tiles & tile) != 0; }

void StartOperation(Mesh* mesh, const Block& block, const ProgramStep& step, size_t number,
                    uint32_t at) {
  const std::optional<OperationGroup::Key> key = Mesh::GroupOf(block, step, number);
  if (!key.has_value()) return;
  const Tiles tile = Tiles{1} << at;
  const Lane* const lanes = mesh->lanes.data() + block.first_lane;
  if (Takes(key->kind) && !HasRamp(lanes[key->in].down, tile)) return;
  if (Gives(key->kind) && !HasRamp(lanes[key->out].up, tile)) return;
  OperationGroup* const group = mesh->FindGroup(block, *key);
  group->tiles |= tile;
  mesh->progress[static_cast<size_t>(group - mesh->groups.data())][at] = {
      .offset = step[number].offset, .length = step[number].length};
}

void StartStep(Mesh* mesh, Block* block, uint32_t at, int32_t begins) {
  const Tiles tile = Tiles{1} << at;
  const auto number = static_cast<size_t>(block->first_tile) + at;
  Core& core = mesh->cores[number];
  const Program& program = mesh->programs[number];
  if (core.round >= program.repeats || core.step >= program.steps.size()) {
    block->running &= ~tile;
    return;
  }
  block->running |= tile;
  const ProgramStep& step = program.steps[core.step];
  for (size_t i = 0; i < step.size(); ++i) {
    const Operation& op = step[i];
    if (op.length <= 0) continue;
    if (op.kind != Operation::Kind::kCompute) {
      ++core.left;
      StartOperation(mesh, *block, step, i, at);
      continue;
    }
    const int32_t last = begins + op.length - 1;
    core.computes_until =
        (block->computing & tile) != 0 ? std::max(core.computes_until, last) : last;
    block->next_computed = block->computing == 0 ? last : std::min(block->next_computed, last);
    block->computing |= tile;
  }
  // A step with nothing to do takes a cycle all the same.
  if (core.left == 0 && (block->computing & tile) == 0) block->ended |= tile;
}

}  // namespace

bool NextStep(Mesh* mesh, Block* block, uint32_t at, int32_t begins) {
  const auto number = static_cast<size_t>(block->first_tile) + at;
  Core& core = mesh->cores[number];
  if (++core.step == mesh->programs[number].steps.size()) {
    core.step = 0;
    ++core.round;
  }
  StartStep(mesh, block, at, begins);
  return (block->running >> at & 1) != 0;
}

int64_t StartCores(Mesh* mesh) {
  int64_t running = 0;
  for (Block& block : mesh->blocks) {
    for (int at = 0; at < block.tiles; ++at) {
      StartStep(mesh, &block, static_cast<uint32_t>(at), 0);
    }
    running += std::popcount(block.running);
    if (block.running != 0) mesh->Wake(block, 0, 1);
  }
  return running;
}

}  // namespace waferline::fabric
