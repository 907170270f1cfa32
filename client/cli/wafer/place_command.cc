// waferctl wafer place: which layers on which wafer and region, and how fast that runs.
#include <boost/json.hpp>
#include <cstdio>

#include "client/cli/charts/placement_chart.h"
#include "client/cli/charts/svg.h"
#include "client/cli/frame/arguments.h"
#include "client/cli/wafer/placement_commands.h"
#include "client/cli/wafer/placement_flags.h"
#include "client/cli/wafer/wafer_commands.h"
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

json::object Json(const ModelOnWafers& it, const Placement& p, const PlacementSpeed& speed) {
  json::array places, regions;
  for (int place = 0; place < p.depth; ++place) {
    const SramUse& use = p.sram[static_cast<size_t>(place)];
    const OnPlace sum = SummaryOf(p, speed, place);
    places.push_back({{"place", place},
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
                        {"total", use.total()}}}});
  }
  for (size_t i = 0; i < p.pieces.size(); ++i) {
    const PlacedPiece& piece = p.pieces[i];
    regions.push_back({{"place", piece.place},
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
                       {"heat", speed.heat[i]}});
  }
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

void Print(const Placement& p, const PlacementSpeed& speed) {
  printf("  %d replica(s) x %d place(s) x %d wafer(s) to a layer; %lld user(s) a replica\n",
         p.replicas, p.depth, p.tensor, static_cast<long long>(p.users_per_replica));
  printf("  tokens/s of one user %.1f, of these users %.1f, when full %.1f\n",
         speed.user_tokens_per_second, speed.aggregate_tokens_per_second,
         speed.full_tokens_per_second);
  printf("  a pass takes %.1f us; slowest stage %.2f us, mean %.2f us: balance %.1f %%\n",
         speed.pass_seconds * 1e6, speed.bottleneck_seconds * 1e6, speed.mean_seconds * 1e6,
         100 * speed.balance());
  printf("  %lld users before speed drops; KV of %lld positions fits a replica\n",
         static_cast<long long>(speed.users_before_slowdown),
         static_cast<long long>(speed.costs.KvCapacity().count()));
  printf("SRAM of a wafer, GB:\n  %-6s %-12s %8s %8s %8s %8s %8s %8s   %s\n", "place", "layers",
         "weights", "KV", "emb+out", "code", "free", "total", "slowest stage");
  for (int place = 0; place < p.depth; ++place) {
    const SramUse& use = p.sram[static_cast<size_t>(place)];
    const OnPlace sum = SummaryOf(p, speed, place);
    const std::string layers =
        sum.layers == 0 ? "none" : std::to_string(sum.first) + " to " + std::to_string(sum.last);
    printf("  %-6d %-12s %8.2f %8.2f %8.2f %8.2f %8.2f %8.2f   %.2f us\n", place, layers.c_str(),
           use.weights * 1e-9, use.kv * 1e-9, use.embedding_and_output * 1e-9,
           use.code_and_buffers * 1e-9, use.free * 1e-9, use.total() * 1e-9,
           sum.slowest_seconds * 1e6);
  }
  printf("regions, in cores of the mesh of %d x %d:\n", p.mesh.columns, p.mesh.rows);
  for (size_t i = 0; i < p.pieces.size(); ++i) {
    const PlacedPiece& piece = p.pieces[i];
    printf(
        "  place %-4d %-12s at column %4d, row %4d: %4d x %-4d  %8.1f MB weights %8.1f MB KV  "
        "%7.2f us\n",
        piece.place, NameOf(piece).c_str(), piece.region.column, piece.region.row,
        piece.region.columns, piece.region.rows, piece.weight_bytes * 1e-6, piece.kv_bytes * 1e-6,
        speed.busy_seconds[i] * 1e6);
  }
}

absl::Status RunPlace(const Arguments& arguments) {
  WL_ASSIGN_OR_RETURN(const ModelOnWafers it, ReadPlacementFlags(arguments));
  const placement::PlacementTask task = it.Task();
  WL_ASSIGN_OR_RETURN(const Placement p, placement::Place(task));
  const PlacementSpeed speed = placement::SpeedOf(task, p);
  if (arguments.Has("svg")) {
    char text[200];
    snprintf(text, sizeof text,
             "%lld %s, context %lld: %.0f tokens/s a user, %.0f in all; profile %s",
             static_cast<long long>(it.users), it.users == 1 ? "user" : "users",
             static_cast<long long>(it.context), speed.user_tokens_per_second,
             speed.aggregate_tokens_per_second, it.profile.name.c_str());
    std::string subtitle = text;
    if (p.replicas > 1) subtitle += "; one of " + std::to_string(p.replicas) + " replicas";
    if (p.depth > kMostDrawn) {
      subtitle += "; the first " + std::to_string(kMostDrawn) + " of " + std::to_string(p.depth);
    }
    WL_RETURN_IF_ERROR(WriteSvg(arguments.Text("svg"), DrawPlacement({.title = it.Title(p.wafers()),
                                                                      .subtitle = subtitle,
                                                                      .placement = p,
                                                                      .speed = speed})));
  }
  if (arguments.json()) {
    printf("%s\n", json::serialize(Json(it, p, speed)).c_str());
    return absl::OkStatus();
  }
  printf("%s, profile %s: %lld user(s), context %lld\n", it.Title(p.wafers()).c_str(),
         it.profile.name.c_str(), static_cast<long long>(it.users),
         static_cast<long long>(it.context));
  Print(p, speed);
  return absl::OkStatus();
}

}  // namespace

Command PlaceCommand() {
  Command command{.words = "wafer place",
                  .summary = "Lays a model on wafers: regions, SRAM, stage times and speed",
                  .flags = PlacementFlags(),
                  .run = RunPlace};
  command.flags.insert(command.flags.begin() + 1, HardwareFlag());
  command.flags.push_back(TextFlag("svg", "FILE", "also draw it"));
  return command;
}

}  // namespace waferline::cli
