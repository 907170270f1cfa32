// waferctl bench run: load on a server, and what its clients measure.
#include <boost/json.hpp>
#include <cstdio>
#include <variant>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "client/cli/frame/output.h"
#include "client/cli/serving/bench_flags.h"
#include "client/cli/serving/load_page.h"
#include "client/cli/serving/request_log.h"
#include "client/cli/serving/server_flags.h"
#include "client/cli/serving/serving_commands.h"
#include "client/load/load_report.h"
#include "client/load/load_run.h"
#include "wafer_backend/base/files.h"
#include "wafer_backend/base/json_text.h"
#include "wafer_backend/base/status.h"

namespace waferline::cli {
namespace {

namespace json = boost::json;

// 20261129-154500, local time.
std::string Date() { return absl::FormatTime("%Y%m%d-%H%M%S", absl::Now(), absl::LocalTimeZone()); }

// What was asked, under vLLM's names; it precedes what was measured.
json::object Header(const Arguments& arguments, const load::LoadSettings& settings,
                    const sdk::Endpoint& endpoint) {
  const bool chat = std::holds_alternative<std::vector<sdk::ChatTurn>>(settings.prompts.front());
  json::object object{{"backend", endpoint.protocol == sdk::Endpoint::Protocol::kGrpc
                                      ? "waferline-grpc"
                                      : (chat ? "openai-chat" : "openai")},
                      {"server", endpoint.url()},
                      {"date", Date()},
                      {"model_id", settings.request.model},
                      {"tokenizer_id", settings.request.model},
                      {"num_prompts", settings.requests},
                      {"warm_up_requests", 1},
                      {"seed", settings.seed}};
  object["burstiness"] = 1.0;  // of Poisson arrivals
  object["turns"] = settings.turns;
  if (settings.arrival.rate_per_second) {
    object["request_rate"] = *settings.arrival.rate_per_second;
  } else {
    object["request_rate"] = "inf";
  }
  object["max_concurrency"] = settings.arrival.concurrency
                                  ? json::value(*settings.arrival.concurrency)
                                  : json::value(nullptr);
  return object;
}

// After the report: Unavailable if more of the requests failed than may.
absl::Status EndOf(const load::LoadReport& report, double max_share) {
  if (report.completed == 0 && report.cancelled == 0) {
    return absl::UnavailableError("no request was completed");
  }
  const uint64_t ended = report.completed + report.failed;
  if (static_cast<double>(report.failed) <= max_share * static_cast<double>(ended)) {
    return absl::OkStatus();
  }
  return absl::UnavailableError(absl::StrCat(report.failed, " of ", ended,
                                             " requests failed (--max-failed allows a share of ",
                                             max_share, ")"));
}

absl::Status RunBench(const Arguments& arguments) {
  WL_ASSIGN_OR_RETURN(const LatencyObjectives objectives, BenchObjectives(arguments));
  WL_ASSIGN_OR_RETURN(const sdk::Endpoint endpoint, EndpointOf(arguments));
  WL_ASSIGN_OR_RETURN(load::LoadSettings settings, BenchSettings(arguments));
  if (arguments.Has("concurrency")) {
    settings.arrival.concurrency = static_cast<uint32_t>(arguments.Integer("concurrency"));
  }
  if (arguments.Has("rate")) settings.arrival.rate_per_second = arguments.Number("rate");
  if (!settings.arrival.concurrency && !settings.arrival.rate_per_second) {
    settings.arrival.concurrency = 1;
  }
  const auto client = sdk::MakeClient(endpoint);
  WL_ASSIGN_OR_RETURN(settings.request.model, ModelOf(arguments, *client));
  const absl::Status warm = load::Warm(*client, &settings.request, settings.prompts.front());
  if (!warm.ok() && arguments.Number("max-failed") == 0) return warm;

  const load::LoadResult result = RunBenchLoad(*client, settings);
  const bool bounded =
      settings.arrival.rate_per_second.has_value() && settings.arrival.concurrency.has_value();
  const load::LoadReport report = load::Evaluate(result, objectives, bounded);
  WL_RETURN_IF_ERROR(WriteRequestLog(arguments, result));
  json::object object = Header(arguments, settings, endpoint);
  for (const auto& [key, value] : load::ToJson(report)) object[key] = value;
  if (arguments.On("detailed")) {
    for (const auto& [key, value] : load::DetailsOf(result)) object[key] = value;
  }
  if (arguments.Has("html")) {
    const std::string title = "Load on " + settings.request.model + " at " + endpoint.url();
    WL_RETURN_IF_ERROR(
        WriteFile(arguments.Text("html"), LoadPage({title, result, report, object})));
  }
  if (arguments.json()) {
    PrintText(JsonText(object) + "\n");
  } else {
    PrintText(load::ToText(report));
    PrintText("one request more went before these, to warm up; it is billed as any\n");
  }
  for (const std::string& warning : report.warnings) {
    fprintf(stderr, "warning: %s\n", warning.c_str());
  }
  if (report.interrupted) return absl::CancelledError("interrupted");
  return EndOf(report, arguments.Number("max-failed"));
}

}  // namespace

Command BenchRunCommand() {
  Command run{.words = "bench run",
              .summary = "Send requests and measure latency and throughput",
              .examples = {"waferctl bench run --concurrency 16 --num-prompts 200",
                           "waferctl bench run --rate 20 --goodput ttft:200,tpot:50"},
              .run = RunBench};
  run.flags = BenchFlags();
  const std::vector<Flag> own = {
      IntegerFlag("concurrency", "N",
                  "send the next request when one of N ends (1 without --rate); with --rate: at "
                  "most N at once",
                  {1, 65536}),
      NumberFlag("rate", "R", "send R requests a second, at random (Poisson) times", {1e-3, 1e6}),
      NumberFlag("max-failed", "SHARE", "exit 1 if more than this share of the requests failed",
                 {0, 1})
          .Default(0),
      Switch("detailed", "lists with an entry a request in the JSON, as vllm bench serve has them"),
      RequestLogFlag()};
  run.flags.insert(run.flags.end(), own.begin(), own.end());
  return run;
}

}  // namespace waferline::cli
