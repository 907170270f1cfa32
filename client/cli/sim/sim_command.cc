// waferctl sim: one offline run.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <memory>

#include "absl/strings/str_cat.h"
#include "client/cli/frame/output.h"
#include "client/cli/frame/progress.h"
#include "client/cli/sim/sim_billing.h"
#include "client/cli/sim/sim_commands.h"
#include "client/cli/sim/sim_page.h"
#include "client/cli/sim/sim_run.h"
#include "scheduler/policy/refusal_cause.h"
#include "wafer_backend/base/files.h"
#include "wafer_backend/base/status.h"

namespace waferline::cli {
namespace {

double Milliseconds(Nanoseconds time) { return time.as_double() * 1e-6; }

// "95 refused (90 queue_full, 5 no_device)".
std::string RefusedText(const simulator::Report& r) {
  std::vector<std::string> causes;
  for (size_t i = 0; i < r.refused.size(); ++i) {
    if (r.refused[i] == 0) continue;
    causes.push_back(
        fmt::format("{} {}", r.refused[i], policy::Name(static_cast<policy::RefusalCause>(i))));
  }
  if (causes.empty()) return "0 refused";
  return fmt::format("{} refused ({})", r.refused_total(), fmt::join(causes, ", "));
}

void PrintRequests(const simulator::Report& r) {
  Print("{} requests in {:.1f} s: {} completed, {}, {} late, {} cancelled, {} failed\n", r.requests,
        r.seconds(), r.completed, RefusedText(r), r.deadline_missed, r.cancelled, r.failed);
  Print("{:.1f} output tokens/s, prefix cache hits {:.1f} %\n",
        static_cast<double>(r.output_tokens) / std::max(1e-9, r.seconds()),
        100.0 * static_cast<double>(r.cache_hit_tokens) /
            static_cast<double>(std::max<uint64_t>(1, r.cache_queried_tokens)));
  if (!r.has_objectives) return;
  Print("goodput {:.3f} requests/s ({:.1f} % met the objectives)\n",
        static_cast<double>(r.met_objectives) / std::max(1e-9, r.seconds()),
        100.0 * static_cast<double>(r.met_objectives) /
            static_cast<double>(std::max<uint64_t>(1, r.requests)));
}

void PrintLatencies(const simulator::Report& r) {
  Table table({"ms", "mean", "p50", "p90", "p99", "max"});
  const auto add = [&table](const char* name, const LogHistogram& h) {
    std::vector<std::string> row = {name, fmt::format("{:.4f}", h.mean_ns() * 1e-6)};
    for (const double p : {0.5, 0.9, 0.99}) {
      row.push_back(fmt::format("{:.4f}", Milliseconds(h.Percentile(p))));
    }
    row.push_back(fmt::format("{:.4f}", Milliseconds(h.max())));
    table.Add(std::move(row));
  };
  add("ttft", r.ttft);
  add("inter-token", r.inter_token);
  add("tpot", r.tpot);
  add("end to end", r.e2e);
  add("  queue", r.queue);
  add("  prefill", r.prefill);
  add("  transfer", r.transfer);
  add("  decode", r.decode);
  table.Print();
}

void PrintTiers(const simulator::Report& r) {
  Table table(
      {"served by", "requests", "output tokens", "ttft p50, ms", "p99", "tpot p50, ms", "p99"});
  int tiers = 0;
  for (int i = 0; i < simulator::kServiceTiers; ++i) {
    const simulator::ServedTally& tier = r.by_tier[i];
    if (tier.completed == 0) continue;
    ++tiers;
    std::vector<std::string> row = {std::string(NameOf(static_cast<ServiceTier>(i))),
                                    absl::StrCat(tier.completed), absl::StrCat(tier.output_tokens)};
    for (const LogHistogram* h : {&tier.ttft, &tier.tpot}) {
      row.push_back(fmt::format("{:.4f}", Milliseconds(h->Percentile(0.5))));
      row.push_back(fmt::format("{:.4f}", Milliseconds(h->Percentile(0.99))));
    }
    table.Add(std::move(row));
  }
  if (tiers > 1) table.Print();
}

void PrintDevices(const simulator::Report& r) {
  Table table({"device", "kind", "busy, %", "KV, %", "KV at most, %"},
              {Table::Align::kLeft, Table::Align::kLeft, Table::Align::kRight});
  for (const simulator::DeviceUse& device : r.devices) {
    std::vector<std::string> row = {device.name, device.kind,
                                    fmt::format("{:.2f}", 100 * device.busy_share)};
    if (device.max_kv_share > 0) {
      row.push_back(fmt::format("{:.1f}", 100 * device.kv_share));
      row.push_back(fmt::format("{:.1f}", 100 * device.max_kv_share));
    }
    table.Add(std::move(row));
  }
  table.Print();
  for (const simulator::DeviceUse& device : r.devices) {
    if (device.side_share.empty()) continue;
    Print("{}: attention busy {:.2f} %, feed-forward {:.2f} %, link {:.2f} % ({:.4g} GB crossed)\n",
          device.name, 100 * device.side_share[0], 100 * device.side_share[1],
          100 * device.side_share[2], device.bytes / 1e9);
  }
}

void PrintRun(const simulator::OfflineResult& run) {
  const simulator::Report& r = run.raw;
  for (const auto& label : run.report.at("fleet").as_array()) {
    Print("{}\n", std::string_view(label.as_string()));
  }
  PrintRequests(r);
  PrintLatencies(r);
  PrintTiers(r);
  PrintDevices(r);
  if (r.energy_joules() > 0) {
    const std::string price =
        r.output_tokens == 0
            ? "no output token to share it"
            : fmt::format("{:.3f} USD a million output tokens",
                          r.cost_usd() * 1e6 / static_cast<double>(r.output_tokens));
    Print("energy {:.3f} kWh, cost {} USD, {}\n", r.energy_joules() / 3.6e6, Dollars(r.cost_usd()),
          price);
  }
  const auto& took = run.report.at("run").as_object();
  Print("digest {}; simulated in {:.3f} s, {:.0f} times real time, {:.0f} MB\n",
        std::string_view(run.report.at("receipt").at("digest").as_string()),
        took.at("simulation_seconds").to_number<double>(),
        took.at("emulated_over_wall").to_number<double>(),
        took.at("peak_memory_bytes").to_number<double>() / 1e6);
}

absl::Status Sim(const Arguments& arguments) {
  WL_ASSIGN_OR_RETURN(const std::unique_ptr<SimInput> read, ReadSimInput(arguments));
  const simulator::ReadTrace& workload = read->workload;
  simulator::OfflineInput& input = read->input;
  if (arguments.Has("requests")) input.files.requests_csv = arguments.Text("requests");
  if (arguments.Has("timeline")) input.files.timeline = arguments.Text("timeline");
  WL_ASSIGN_OR_RETURN(const std::unique_ptr<SimBilling> billing, SimBilling::Read(arguments));
  if (billing != nullptr) input.observers.push_back(billing->collector());
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
  if (billing != nullptr) WL_RETURN_IF_ERROR(billing->AddTo(&*run));
  if (arguments.Has("html")) {
    WL_RETURN_IF_ERROR(WriteFile(arguments.Text("html"), SimPage(*run)));
  }
  if (!arguments.json()) {
    PrintRun(*run);
    if (billing != nullptr) PrintBilling(run->report.at("billing").as_object());
    return absl::OkStatus();
  }
  return PutReport(arguments, run->report);
}

}  // namespace

Command SimCommand() {
  std::vector<Flag> flags = SimFlags();
  flags.push_back(OutputFlag("requests", "also write a CSV line for each request"));
  flags.push_back(OutputFlag("timeline", "also write what ran when, for ui.perfetto.dev"));
  for (Flag& flag : BillingFlags()) flags.push_back(std::move(flag));
  flags.push_back(OutputFlag("html", "also write the run as one page of HTML"));
  return {.words = "sim",
          .summary = "Run a trace or generated requests through a fleet",
          .operands = {ReportOperand()},
          .flags = std::move(flags),
          .examples = {"waferctl sim --config deploy/config/fleets/conversation-70b.yaml "
                       "--arrivals poisson:rate=20",
                       "waferctl sim --config deploy/config/demo.yaml --model llama-3.1-8b "
                       "--arrivals poisson:rate=20 --prices demo"},
          .run = Sim};
}

}  // namespace waferline::cli
