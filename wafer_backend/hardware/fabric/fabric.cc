// The grid and what is set up on it.
#include "wafer_backend/hardware/fabric/fabric.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/check.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/hardware/fabric/mesh.h"
#include "wafer_backend/hardware/fabric/mesh_run.h"

namespace waferline::fabric {
namespace {

// Neighbours use words of like index at a time: an odd number of cache lines from each to the next
// keeps these out of each other's way in a cache.
size_t StrideFor(int words) {
  constexpr size_t kLine = 16;  // words
  const auto size = static_cast<size_t>(words);
  return size < 8 * kLine ? size : ((size + kLine - 1) / kLine | 1) * kLine;
}

}  // namespace

absl::StatusOr<Fabric> Fabric::Create(const FabricSize& size) {
  const auto check = [](const char* name, int value, int max) {
    if (value >= 1 && value <= max) return absl::OkStatus();
    return absl::InvalidArgumentError(
        absl::StrCat("fabric: ", name, " is ", value, ", must lie in [1, ", max, "]"));
  };
  WL_RETURN_IF_ERROR(check("columns", size.columns, kMaxSide));
  WL_RETURN_IF_ERROR(check("rows", size.rows, kMaxSide));
  WL_RETURN_IF_ERROR(check("ramp_cycles", size.ramp_cycles, kRampRoom - 3));
  const int64_t max = MaxWords(size.columns, size.rows);
  WL_RETURN_IF_ERROR(check("words", size.words, static_cast<int>(max)));
  return Fabric(size);
}

Fabric::Fabric(const FabricSize& size) : size_(size), stride_(StrideFor(size.words)) {
  const size_t tiles = static_cast<size_t>(size.columns) * static_cast<size_t>(size.rows);
  routes_.resize(tiles * kColours);
  programs_.resize(tiles);
  memory_.assign(tiles * stride_, 0);
}

std::span<uint32_t> Fabric::memory(int tile) {
  return {memory_.data() + static_cast<size_t>(tile) * stride_, static_cast<size_t>(size_.words)};
}

std::span<const uint32_t> Fabric::memory(int tile) const {
  return const_cast<Fabric*>(this)->memory(tile);
}

void Fabric::Route(int tile, int colour, uint8_t from, uint8_t to) {
  WL_CHECK(colour >= 0 && colour < kColours);
  Ports& route = routes_[static_cast<size_t>(tile) * kColours + static_cast<size_t>(colour)];
  route.from |= from;
  route.to |= to;
}

void Fabric::SetProgram(int tile, Program program) {
  programs_[static_cast<size_t>(tile)] = std::move(program);
}

absl::StatusOr<RunResult> Fabric::Run(const RunOptions& options) {
  Mesh mesh(this);
  return RunMesh(&mesh, options);
}

}  // namespace waferline::fabric
