// waferctl wafer place: which layers on which wafer and region, and how fast that runs.
#include <fmt/format.h>

#include <boost/json.hpp>

#include "client/cli/charts/placement_chart.h"
#include "client/cli/frame/output.h"
#include "client/cli/wafer/model_flags.h"
#include "client/cli/wafer/wafer_commands.h"
#include "wafer_backend/base/files.h"
#include "wafer_backend/base/json_text.h"
#include "wafer_backend/base/status.h"

namespace waferline::cli {
namespace {

namespace json = boost::json;
using placement::PlacedPiece;
using placement::Placement;
using placement::PlacementSpeed;
using placement::SramUse;

struct OnPlace {
  int layers = 0;
  int first = -1, last = -1;
  double slowest_seconds = 0;
};

OnPlace SummaryOf(const Placement& p, const PlacementSpeed& speed, int place) {
  OnPlace sum;
  for (size_t i = 0; i < p.pieces.size(); ++i) {
    const PlacedPiece& piece = p.pieces[i];
    if (piece.place != place) continue;
    sum.slowest_seconds = std::max(sum.slowest_seconds, speed.busy_seconds[i]);
    if (piece.part != placement::Part::kLayer) continue;
    if (sum.layers++ == 0) sum.first = piece.layer;
    sum.last = piece.layer;
  }
  return sum;
}

json::object PlaceJson(const Placement& p, const PlacementSpeed& speed, int place) {
  const SramUse& use = p.sram[static_cast<size_t>(place)];
  const OnPlace sum = SummaryOf(p, speed, place);
  return {{"place", place},
          {"layers", sum.layers},
          {"first_layer", sum.first},
          {"last_layer", sum.last},
          {"slowest_stage_us", sum.slowest_seconds * 1e6},
          {"sram_bytes",
           {{"weights", use.weights},
            {"kv", use.kv},
            {"embedding_and_output", use.embedding_and_output},
            {"code_and_buffers", use.code_and_buffers},
            {"free", use.free},
            {"total", use.total()}}}};
}

json::object RegionJson(const Placement& p, const PlacementSpeed& speed, size_t i) {
  const PlacedPiece& piece = p.pieces[i];
  return {{"place", piece.place},
          {"piece", NameOf(piece)},
          {"layer", piece.layer},
          {"column", piece.region.column},
          {"row", piece.region.row},
          {"columns", piece.region.columns},
          {"rows", piece.region.rows},
          {"weight_bytes", piece.weight_bytes},
          {"kv_bytes", piece.kv_bytes},
          {"capacity_bytes", piece.capacity_bytes},
          {"stage_us", speed.busy_seconds[i] * 1e6},
          {"heat", speed.heat[i]}};
}

json::object Json(const ModelOnWafers& it, const Placement& p, const PlacementSpeed& speed) {
  json::array places, regions;
  for (int place = 0; place < p.depth; ++place) places.push_back(PlaceJson(p, speed, place));
  for (size_t i = 0; i < p.pieces.size(); ++i) regions.push_back(RegionJson(p, speed, i));
  return {{"model", it.shape.name},
          {"hardware", it.hardware.name},
          {"profile", it.profile.name},
          {"weights", it.weights},
          {"context", it.context},
          {"users", it.users},
          {"wafers", p.wafers()},
          {"replicas", p.replicas},
          {"tensor", p.tensor},
          {"depth", p.depth},
          {"mesh", {{"columns", p.mesh.columns}, {"rows", p.mesh.rows}}},
          {"tokens_per_second", speed.user_tokens_per_second},
          {"aggregate_tokens_per_second", speed.aggregate_tokens_per_second},
          {"full_tokens_per_second", speed.full_tokens_per_second},
          {"users_before_slowdown", speed.users_before_slowdown},
          {"pass_us", speed.pass_seconds * 1e6},
          {"stage_us",
           {{"slowest", speed.bottleneck_seconds * 1e6}, {"mean", speed.mean_seconds * 1e6}}},
          {"balance", speed.balance()},
          {"kv_capacity_tokens_per_replica", speed.costs.KvCapacity().count()},
          {"places", places},
          {"regions", regions}};
}

void PrintSpeed(const Placement& p, const PlacementSpeed& speed) {
  Print("  {}, each {} deep, {} to a layer; {} a replica\n", Counted(p.replicas, "replica"),
        Counted(p.depth, "wafer"), Counted(p.tensor, "wafer"),
        Counted(p.users_per_replica, "user"));
  Print("  {:.5g} tokens/s for one user, {:.5g} for these users, {:.5g} with full pipelines\n",
        speed.user_tokens_per_second, speed.aggregate_tokens_per_second,
        speed.full_tokens_per_second);
  Print("  a pass takes {:.1f} us; slowest stage {:.2f} us, mean {:.2f} us: balance {:.1f} %\n",
        speed.pass_seconds * 1e6, speed.bottleneck_seconds * 1e6, speed.mean_seconds * 1e6,
        100 * speed.balance());
  Print("  {} before they slow each other; a replica has room for the KV of {} tokens\n",
        Counted(speed.users_before_slowdown, "user"), speed.costs.KvCapacity().count());
}

void PrintSram(const Placement& p, const PlacementSpeed& speed) {
  Table table({"place", "layers", "weights", "KV", "emb+out", "code", "free", "total",
               "slowest stage, us"});
  for (int place = 0; place < p.depth; ++place) {
    const SramUse& use = p.sram[static_cast<size_t>(place)];
    const OnPlace sum = SummaryOf(p, speed, place);
    std::vector<std::string> row = {
        std::to_string(place),
        sum.layers == 0 ? "none" : fmt::format("{} to {}", sum.first, sum.last)};
    for (const double bytes : {use.weights, use.kv, use.embedding_and_output, use.code_and_buffers,
                               use.free, use.total()}) {
      row.push_back(fmt::format("{:.2f}", bytes * 1e-9));
    }
    row.push_back(fmt::format("{:.2f}", sum.slowest_seconds * 1e6));
    table.Add(std::move(row));
  }
  Print("SRAM of a wafer, GB:\n");
  table.Print();
}

void PrintRegions(const Placement& p, const PlacementSpeed& speed) {
  Table table({"place", "piece", "column", "row", "size", "weights, MB", "KV, MB", "stage, us"});
  for (size_t i = 0; i < p.pieces.size(); ++i) {
    const PlacedPiece& piece = p.pieces[i];
    table.Add({std::to_string(piece.place), NameOf(piece), std::to_string(piece.region.column),
               std::to_string(piece.region.row),
               fmt::format("{} x {}", piece.region.columns, piece.region.rows),
               fmt::format("{:.1f}", piece.weight_bytes * 1e-6),
               fmt::format("{:.1f}", piece.kv_bytes * 1e-6),
               fmt::format("{:.2f}", speed.busy_seconds[i] * 1e6)});
  }
  Print("Regions, in cores of the mesh of {} x {}:\n", p.mesh.columns, p.mesh.rows);
  table.Print();
}

absl::Status Draw(const ModelOnWafers& it, const Placement& p, const PlacementSpeed& speed,
                  const std::string& path) {
  std::string subtitle =
      fmt::format("{}, context {}: {:.0f} tokens/s a user, {:.0f} in all; profile {}",
                  Counted(it.users, "user"), it.context, speed.user_tokens_per_second,
                  speed.aggregate_tokens_per_second, it.profile.name);
  if (p.replicas > 1) subtitle += fmt::format("; one of {} replicas", p.replicas);
  if (p.depth > kMaxDrawn) subtitle += fmt::format("; the first {} of {}", kMaxDrawn, p.depth);
  return WriteFile(
      path,
      DrawPlacement(
          {.title = it.Title(p.wafers()), .subtitle = subtitle, .placement = p, .speed = speed}));
}

absl::Status RunPlace(const Arguments& arguments) {
  WL_ASSIGN_OR_RETURN(const ModelOnWafers it, ReadPlacementFlags(arguments));
  const placement::PlacementTask task = it.Task();
  WL_ASSIGN_OR_RETURN(const Placement p, placement::Place(task));
  const PlacementSpeed speed = placement::SpeedOf(task, p);
  if (arguments.Has("svg")) WL_RETURN_IF_ERROR(Draw(it, p, speed, arguments.Text("svg")));
  if (arguments.json()) {
    PrintText(JsonText(Json(it, p, speed)) + "\n");
    return absl::OkStatus();
  }
  Print("{}: {}\n", it.Title(p.wafers()), it.Load());
  PrintSpeed(p, speed);
  PrintSram(p, speed);
  PrintRegions(p, speed);
  return absl::OkStatus();
}

}  // namespace

Command PlaceCommand() {
  Command command{.words = "wafer place",
                  .summary = "Lay a model on wafers: regions, SRAM, stage times and speed",
                  .flags = PlacementFlags(),
                  .examples = {"waferctl wafer place --model llama-3.1-70b --svg place.svg"},
                  .run = RunPlace};
  command.flags.push_back(SvgFlag());
  return command;
}

}  // namespace waferline::cli
