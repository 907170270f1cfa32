#include "wafer_backend/hardware/fabric/core_steps.h"

namespace waferline::fabric {
namespace {

void StartStep(Mesh* mesh, int tile, int32_t begins) {
  TileState* const state = &mesh->tiles[static_cast<size_t>(tile)];
  const Program& program = mesh->programs[tile];
  state->running = state->round < program.repeats && state->step < program.steps.size();
  if (!state->running) return;
  const ProgramStep& step = program.steps[state->step];
  state->tasks = static_cast<uint16_t>(step.size());
  state->step_began = begins;
  Task* task = mesh->tasks.data() + state->first_task;
  for (const Operation& op : step) {
    *task = {.kind = op.kind, .offset = op.offset, .length = op.length};
    if (task->takes()) {
      const int channel = mesh->ChannelOf(tile, op.in);
      if (channel != kNone) task->in = mesh->channels[static_cast<size_t>(channel)].down;
    }
    if (task->gives()) {
      const int channel = mesh->ChannelOf(tile, op.out);
      if (channel != kNone) task->out = mesh->channels[static_cast<size_t>(channel)].up;
      task->out_channel = static_cast<uint16_t>(channel - state->first_channel);
    }
    ++task;
  }
}

}  // namespace

bool NextStep(Mesh* mesh, int tile, int32_t begins) {
  TileState* const state = &mesh->tiles[static_cast<size_t>(tile)];
  if (++state->step == mesh->programs[tile].steps.size()) {
    state->step = 0;
    ++state->round;
  }
  StartStep(mesh, tile, begins);
  return state->running;
}

int64_t StartCores(Mesh* mesh) {
  int64_t running = 0;
  for (int tile = 0; tile < mesh->columns * mesh->rows; ++tile) {
    StartStep(mesh, tile, 0);
    TileState& state = mesh->tiles[static_cast<size_t>(tile)];
    state.core_awake = state.running;
    if (!state.running) continue;
    ++running;
    const int column = tile % mesh->columns;
    mesh->Active(1, tile / mesh->columns)[column / 64] |= uint64_t{1} << column % 64;
  }
  return running;
}

}  // namespace waferline::fabric
