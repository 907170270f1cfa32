// waferctl sim: one offline run.
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "client/cli/frame/arguments.h"
#include "client/cli/frame/progress.h"
#include "client/cli/sim/sim_commands.h"
#include "client/cli/sim/sim_run.h"
#include "scheduler/simulator/report_json.h"
#include "wafer_backend/base/files.h"
#include "wafer_backend/base/status.h"

namespace waferline::cli {
namespace {

void Row(const char* name, const simulator::LogHistogram& h) {
  const auto ms = [](Nanoseconds t) { return t.as_double() * 1e-6; };
  printf("  %-12s %12.4f %12.4f %12.4f %12.4f %12.4f\n", name, h.mean_ns() * 1e-6,
         ms(h.Percentile(0.5)), ms(h.Percentile(0.9)), ms(h.Percentile(0.99)), ms(h.most()));
}

void Print(const simulator::OfflineResult& run) {
  const simulator::Report& r = run.raw;
  for (const auto& label : run.report.at("fleet").as_array()) {
    printf("%s\n", label.as_string().c_str());
  }
  printf(
      "%lu requests in %.1f s: %lu completed, %lu refused, %lu late, %lu cancelled, %lu failed\n",
      static_cast<unsigned long>(r.requests), r.seconds(), static_cast<unsigned long>(r.completed),
      static_cast<unsigned long>(r.refused_total()), static_cast<unsigned long>(r.deadline_missed),
      static_cast<unsigned long>(r.cancelled), static_cast<unsigned long>(r.failed));
  printf("%.1f output tokens/s, prefix cache hits %.1f %%\n",
         static_cast<double>(r.output_tokens) / std::max(1e-9, r.seconds()),
         r.cache_queried_tokens == 0 ? 0.0
                                     : 100.0 * static_cast<double>(r.cache_hit_tokens) /
                                           static_cast<double>(r.cache_queried_tokens));
  if (r.has_objectives) {
    printf("goodput %.3f requests/s (%.1f %% met the objectives)\n",
           static_cast<double>(r.met_objectives) / std::max(1e-9, r.seconds()),
           100.0 * static_cast<double>(r.met_objectives) /
               static_cast<double>(std::max<uint64_t>(1, r.requests)));
  }
  printf("  %-12s %12s %12s %12s %12s %12s\n", "ms", "mean", "p50", "p90", "p99", "max");
  Row("ttft", r.ttft);
  Row("inter-token", r.inter_token);
  Row("tpot", r.tpot);
  Row("end to end", r.e2e);
  Row("  queue", r.queue);
  Row("  prefill", r.prefill);
  Row("  transfer", r.transfer);
  Row("  decode", r.decode);
  for (const simulator::DeviceUse& device : r.devices) {
    printf("  %-32s %-8s busy %6.2f %%", device.name.c_str(), device.kind.c_str(),
           100 * device.busy_share);
    if (device.most_kv_share > 0) {
      printf("   KV %5.1f %%, at most %5.1f %%", 100 * device.kv_share, 100 * device.most_kv_share);
    }
    printf("\n");
  }
  if (r.energy_joules() > 0) {
    printf("energy %.3f kWh, cost %.2f USD, %.3f USD a million output tokens\n",
           r.energy_joules() / 3.6e6, r.cost_usd(),
           r.cost_usd() * 1e6 / static_cast<double>(std::max<uint64_t>(1, r.output_tokens)));
  }
  const auto& took = run.report.at("run").as_object();
  printf("digest %s; simulated in %.3f s, %.0f times real time, %.0f MB\n",
         run.report.at("receipt").at("digest").as_string().c_str(),
         took.at("simulation_seconds").to_number<double>(),
         took.at("emulated_over_wall").to_number<double>(),
         took.at("peak_memory_bytes").to_number<double>() / 1e6);
}

absl::Status Sim(const Arguments& arguments) {
  const bool to_file = !arguments.operands().empty();
  if (to_file && !arguments.json()) {
    return UsageError("\"" + arguments.operand(0) + "\" is where --json writes; give --json too");
  }
  simulator::OfflineInput input;
  WL_ASSIGN_OR_RETURN(input.settings, ReadSettings(arguments));
  WL_ASSIGN_OR_RETURN(const simulator::ReadTrace workload, ReadWorkload(arguments));
  input.config_name = arguments.Text("config");
  WL_ASSIGN_OR_RETURN(input.config, ReadFile(input.config_name));
  input.trace = &workload.trace;
  if (arguments.Has("requests")) input.files.requests_csv = arguments.Text("requests");
  if (arguments.Has("timeline")) input.files.timeline = arguments.Text("timeline");
  for (const std::string& complaint : workload.complaints) {
    fprintf(stderr, "left out: %s\n", complaint.c_str());
  }
  absl::StatusOr<simulator::OfflineResult> run;
  {
    Progress progress("simulating",
                      static_cast<int64_t>(workload.trace.requests.size()) * input.settings.repeat);
    run = RunSim(input, [&](const simulator::Replay& replay) {
      progress.Show(static_cast<int64_t>(replay.offered()),
                    absl::StrCat(replay.tokens(), " tokens"));
    });
  }
  WL_RETURN_IF_ERROR(run.status());
  for (const std::string& note : run->notes) fprintf(stderr, "note: %s\n", note.c_str());
  if (workload.skipped > 0) run->report["skipped_lines"] = workload.skipped;
  if (workload.trace.block_tokens > 0) {
    run->report["prefix_cache"].as_object()["hit_share_of_an_infinite_cache"] =
        simulator::InfiniteCacheHitRate(workload.trace);
  }
  if (!arguments.json()) {
    Print(*run);
    return absl::OkStatus();
  }
  const std::string document = simulator::Pretty(run->report);
  if (to_file) return WriteFile(arguments.operand(0), document);
  fputs(document.c_str(), stdout);
  return absl::OkStatus();
}

}  // namespace

Command SimCommand() {
  std::vector<Flag> flags = WorkloadFlags();
  flags.push_back(TextFlag("requests", "FILE", "a line for each request"));
  flags.push_back(TextFlag("timeline", "FILE", "what ran when, for ui.perfetto.dev"));
  return {.words = "sim",
          .summary = "Run a trace or a generated load through a fleet, offline (--json [OUT])",
          .operands = {"[OUT]"},
          .flags = std::move(flags),
          .run = Sim};
}

}  // namespace waferline::cli
