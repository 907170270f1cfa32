#include "scheduler/engine/stage_ledger.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"

namespace waferline::engine {
namespace {

Pages PagesOfFullest(const std::vector<ShardMemory>& memory) {
  int64_t pages = std::numeric_limits<int64_t>::max();
  for (const ShardMemory& stage : memory) {
    if (stage.kv_per_page == Bytes()) continue;  // it holds weights alone
    pages = std::min(pages, stage.kv_capacity() / stage.kv_per_page);
  }
  return Pages(pages);
}

}  // namespace

absl::Status StageLedger::Check(const std::vector<ShardMemory>& memory) {
  if (memory.empty()) return absl::InvalidArgumentError("a decode unit needs at least one stage");
  const auto holds_kv = [](const ShardMemory& stage) { return stage.kv_per_page > Bytes(); };
  if (std::none_of(memory.begin(), memory.end(), holds_kv)) {
    return absl::InvalidArgumentError("no stage of the decode unit holds KV");
  }
  for (size_t i = 0; i < memory.size(); ++i) {
    const ShardMemory& stage = memory[i];
    if (stage.kv_per_page < Bytes() || stage.page_tokens <= Tokens()) {
      return absl::InvalidArgumentError(absl::StrCat("stage ", i, ": a page of KV has no size"));
    }
    if (stage.page_tokens != memory.front().page_tokens) {
      return absl::InvalidArgumentError(
          absl::StrCat("stage ", i, ": its pages hold ", stage.page_tokens.count(),
                       " tokens, those of stage 0 ", memory.front().page_tokens.count()));
    }
    if (stage.kv_capacity() < stage.kv_per_page) {
      return absl::InvalidArgumentError(absl::StrCat(
          "stage ", i, ": weights ", stage.weights.count(), " B + buffers ", stage.buffers.count(),
          " B leave no page of KV in ", stage.capacity.count(), " B of SRAM"));
    }
  }
  return absl::OkStatus();
}

StageLedger::StageLedger(std::vector<ShardMemory> memory)
    : memory_(std::move(memory)), pages_(PagesOfFullest(memory_)) {}

std::vector<StageOccupancy> StageLedger::Occupancy() const {
  std::vector<StageOccupancy> stages;
  for (const ShardMemory& stage : memory_) {
    stages.push_back(
        {stage.capacity, stage.weights, stage.buffers, stage.kv_per_page * pages_.used().count()});
  }
  return stages;
}

}  // namespace waferline::engine
