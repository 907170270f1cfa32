#include "wafer_backend/hardware/fabric/collective.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/hardware/fabric/patterns.h"

namespace waferline::fabric {

std::span<const Collective* const> Collectives() {
  static const Collective* const kAll[] = {
      &kBroadcast,  &kReduceChain,    &kReduceTwoPhase,    &kReduceTree,
      &kReduceStar, &kAllreduceChain, &kAllreduceTwoPhase, &kGemvTwoPhase,
      &kGemvChain,  &kShift,          &kGemmShift,
  };
  return kAll;
}

absl::StatusOr<const Collective*> FindCollective(const std::string& name) {
  std::vector<std::string> names;
  for (const Collective* collective : Collectives()) {
    if (collective->name == name) return collective;
    names.emplace_back(collective->name);
  }
  return absl::NotFoundError(absl::StrCat("no collective is called \"", name,
                                          "\"; there are: ", absl::StrJoin(names, ", ")));
}

namespace {

absl::Status CheckSize(const Collective& collective, const CollectiveSize& size) {
  for (const auto& [edge, cores] :
       {std::pair("columns", size.columns), std::pair("rows", size.rows())}) {
    if (cores >= 2 && cores <= Fabric::kMaxSide) continue;
    return absl::InvalidArgumentError(absl::StrCat("grid is ", size.columns, "x", size.rows(),
                                                   ", its ", edge, " must lie in [2, ",
                                                   Fabric::kMaxSide, "]"));
  }
  if (collective.square && size.columns != size.rows()) {
    return absl::InvalidArgumentError(absl::StrCat("grid is ", size.columns, "x", size.rows(),
                                                   ", must be square for ",
                                                   std::string(collective.name)));
  }
  if (size.length < 1 || size.length > 65536) {
    return absl::InvalidArgumentError(
        absl::StrCat("length is ", size.length, ", must lie in [1, 65536]"));
  }
  const int64_t max = Fabric::MaxWords(size.columns, size.rows()) / collective.words_per_length;
  if (size.length <= max) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("length is ", size.length, ", must lie in [1, ", max, "] on a grid of ",
                   size.columns, "x", size.rows(), ": all cores' memory together is bounded"));
}

}  // namespace

absl::StatusOr<CollectiveRun> RunCollective(const Collective& collective,
                                            const CollectiveSize& size, int threads) {
  WL_RETURN_IF_ERROR(CheckSize(collective, size));
  WL_ASSIGN_OR_RETURN(
      Fabric fabric, Fabric::Create({size.columns, size.rows(),
                                     collective.words_per_length * size.length, size.ramp_cycles}));
  for (int row = 0; row < size.rows(); ++row) {
    for (int column = 0; column < size.columns; ++column) {
      const std::span<uint32_t> words = fabric.memory(fabric.Tile(column, row));
      for (size_t i = 0; i < words.size(); ++i) {
        words[i] = InitialWord(column, row, static_cast<int>(i));
      }
    }
  }
  collective.lay(size, &fabric);
  CollectiveRun run;
  WL_ASSIGN_OR_RETURN(run.result, fabric.Run({.threads = threads}));
  run.formula_cycles = collective.cycles(size);
  run.holds = run.result.in_flight == 0 && collective.holds(size, fabric);
  return run;
}

}  // namespace waferline::fabric
