#include "client/cli/silicon_commands.h"

#include <boost/json.hpp>
#include <cstdio>
#include <iostream>

#include "client/cli/arguments.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/hardware/silicon/hardware_file.h"
#include "wafer_backend/hardware/silicon/wafer_yield.h"

namespace waferline::cli {
namespace {

namespace json = boost::json;

json::array Trimmed(std::vector<int64_t> bins) {
  while (!bins.empty() && bins.back() == 0) bins.pop_back();
  return json::array(bins.begin(), bins.end());
}

absl::Status Yield(const Arguments& arguments) {
  WL_ASSIGN_OR_RETURN(const silicon::Hardware hardware,
                      silicon::LoadHardware(arguments.Text("hardware")));
  const silicon::WaferSpec* wafer = hardware.wafer();
  if (wafer == nullptr) return UsageError("--hardware " + hardware.name + " is no wafer");
  const std::string granularity =
      arguments.Has("repair") ? arguments.Text("repair") : wafer->repair_granularity.value;
  WL_ASSIGN_OR_RETURN(const silicon::Granularity repair, silicon::ParseGranularity(granularity));
  const bool clustered = arguments.Text("statistics") != "poisson";
  if (clustered && arguments.Text("statistics") != "clustered") {
    return UsageError("--statistics is \"" + arguments.Text("statistics") +
                      "\", must be poisson or clustered");
  }
  silicon::DefectLaw law = silicon::DefectLawOf(*wafer, clustered);
  if (arguments.Has("density")) law.per_mm2 = arguments.Number("density");
  WL_ASSIGN_OR_RETURN(
      const silicon::YieldStudy study,
      silicon::StudyYield(*wafer, repair, law, arguments.Integer("wafers"),
                          SeededStream(static_cast<uint64_t>(arguments.Integer("seed")))));
  if (!arguments.json()) {
    printf("%s, %lld wafers, %s defects of %.4g per mm2, repair by %s\n", hardware.name.c_str(),
           static_cast<long long>(study.wafers), clustered ? "clustered" : "Poisson", law.per_mm2,
           granularity.c_str());
    printf("  sellable                     %.2f %%\n", 100 * study.sellable);
    printf("  defects a wafer              %.1f\n", study.defects_mean);
    printf("  spare units used             %.1f\n", study.spares_used_mean);
    printf("  physical cores enabled       %.2f %% (least %.2f %%)\n",
           100 * study.enabled_fraction_mean, 100 * study.enabled_fraction_min);
    printf("  extra hops along a row       %.2f, along a column %.2f\n", study.row_extra_hops_mean,
           study.column_extra_hops_mean);
    printf("  the same without redundancy  %.3g of the wafers are perfect\n",
           study.perfect_closed_form);
    printf(
        "  the same cut into GPU dies   %.1f %% of dies sold, %.1f %% of their silicon enabled\n",
        100 * study.diced_dies_good, 100 * study.diced_silicon_enabled);
    return absl::OkStatus();
  }
  std::cout << json::object{{"hardware", hardware.name},
                            {"wafers", study.wafers},
                            {"statistics", arguments.Text("statistics")},
                            {"repair", granularity},
                            {"defects_per_mm2", law.per_mm2},
                            {"sellable", study.sellable},
                            {"defects_mean", study.defects_mean},
                            {"spares_used_mean", study.spares_used_mean},
                            {"enabled_fraction_mean", study.enabled_fraction_mean},
                            {"enabled_fraction_min", study.enabled_fraction_min},
                            {"row_extra_hops_mean", study.row_extra_hops_mean},
                            {"column_extra_hops_mean", study.column_extra_hops_mean},
                            {"without_redundancy",
                             {{"perfect", study.perfect},
                              {"perfect_closed_form", study.perfect_closed_form}}},
                            {"diced",
                             {{"dies_sold", study.diced_dies_good},
                              {"dies_perfect", study.diced_dies_perfect},
                              {"silicon_enabled", study.diced_silicon_enabled}}},
                            {"defects_histogram", Trimmed(study.defects_histogram)},
                            {"spares_histogram", Trimmed(study.spares_histogram)}}
            << "\n";
  return absl::OkStatus();
}

}  // namespace

std::vector<Command> SiliconCommands() {
  return {Command{
      .words = "wafer yield",
      .summary = "Draws many wafers with their defects, repairs them and counts what can be sold",
      .flags = {TextFlag("hardware", "NAME|FILE", "the wafer", "wse-3"),
                IntegerFlag("wafers", "N", "how many to draw", 10000, 1, silicon::kMaxWafers),
                IntegerFlag("seed", "N", "of the draws", 1, 0, INT64_MAX),
                TextFlag("statistics", "LAW", "clustered (negative binomial by die) or poisson",
                         "clustered"),
                TextFlag("repair", "UNIT",
                         "core, row-of-die or row-of-wafer; default: what the file says"),
                NumberFlag("density", "D0", "defects per mm2; default: what the file says",
                           std::nullopt, 0, 1)},
      .run = Yield}};
}

}  // namespace waferline::cli
