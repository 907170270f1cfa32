// waferctl bench replay: a trace against a waferd with a stepped clock, each request with its own
// arrival, so that the server makes the schedule that `waferctl sim` makes of the same fleet.
#include <algorithm>
#include <boost/json.hpp>
#include <map>

#include "absl/strings/str_cat.h"
#include "client/cli/frame/output.h"
#include "client/cli/frame/progress.h"
#include "client/cli/serving/answer.h"
#include "client/cli/serving/load_page.h"
#include "client/cli/serving/request_log.h"
#include "client/cli/serving/server_flags.h"
#include "client/cli/serving/serving_commands.h"
#include "client/cli/workload/workload.h"
#include "client/load/load_report.h"
#include "client/load/load_run.h"
#include "scheduler/simulator/replay.h"
#include "wafer_backend/base/files.h"
#include "wafer_backend/base/json_text.h"
#include "wafer_backend/base/status.h"

namespace waferline::cli {
namespace {

namespace json = boost::json;

// The API keys of a trace's tenants, by the tenants' names.
using TenantKeys = std::map<std::string, std::string>;

absl::StatusOr<TenantKeys> TenantKeysOf(const Arguments& arguments, const simulator::Trace& trace) {
  TenantKeys keys;
  for (const std::string& text : arguments.Texts("tenant-key")) {
    const size_t equals = text.find('=');
    if (equals == std::string::npos || equals + 1 == text.size()) {
      return UsageError("--tenant-key is TENANT=KEY");  // what was given may hold a key
    }
    const std::string tenant = text.substr(0, equals);
    if (std::find(trace.tenants.begin(), trace.tenants.end(), tenant) == trace.tenants.end()) {
      return UsageError("--tenant-key: the trace has no tenant \"" + tenant + "\"");
    }
    if (!keys.emplace(tenant, text.substr(equals + 1)).second) {
      return UsageError("--tenant-key: \"" + tenant + "\" is given twice");
    }
  }
  return keys;
}

// As the offline run has it (scheduler/simulator): same arrivals, lengths, seeds and shared blocks.
// A tenant calls with its own API key; without one its cache is its own by a salt, but the server
// takes it for the same tenant as the others: fairness between tenants does not see it.
class TracedRequests {
 public:
  TracedRequests(const simulator::Trace* trace, const Arguments& arguments, std::string model,
                 TenantKeys keys)
      : trace_(trace),
        keys_(std::move(keys)),
        speed_up_(arguments.Number("speed-up")),
        seed_(static_cast<uint64_t>(arguments.Integer("seed"))),
        model_(std::move(model)) {}

  sdk::GenerateSpec operator()(uint32_t index) const {
    const simulator::TraceRequest& from = trace_->requests[index];
    sdk::GenerateSpec spec;
    const std::string& named = trace_->models[from.model];
    spec.model = named.empty() ? model_ : named;
    spec.prompt = simulator::PromptOf(*trace_, index);
    spec.max_tokens = spec.min_tokens = from.output_tokens;
    spec.ignore_eos = true;
    spec.ask_token_ids = true;
    spec.seed = simulator::SeedOf(seed_, index);
    spec.priority = from.priority;
    if (from.tier != ServiceTier::kAuto) spec.service_tier = NameOf(from.tier);
    const std::string& tenant = trace_->tenants[from.tenant];
    if (const auto key = keys_.find(tenant); key != keys_.end()) {
      spec.api_key = key->second;
    } else {
      spec.cache_salt = tenant;
    }
    if (from.deadline > Nanoseconds()) spec.deadline = from.deadline;
    spec.own_arrival = sdk::OwnArrival{.number = index,
                                       .at = simulator::ArrivalOf(*trace_, index, speed_up_),
                                       .last = index + 1 == trace_->requests.size()};
    return spec;
  }

 private:
  const simulator::Trace* trace_;
  const TenantKeys keys_;
  const double speed_up_;
  const uint64_t seed_;
  const std::string model_;
};

absl::Status ReplayBench(const Arguments& arguments) {
  WL_ASSIGN_OR_RETURN(const sdk::Endpoint endpoint, EndpointOf(arguments));
  WL_ASSIGN_OR_RETURN(const simulator::ReadTrace workload, ReadWorkload(arguments));
  WL_ASSIGN_OR_RETURN(TenantKeys keys, TenantKeysOf(arguments, workload.trace));
  WL_ASSIGN_OR_RETURN(std::string model, ModelOf(arguments, *sdk::MakeClient(endpoint)));
  // An answer begins when emulated time reaches its request, perhaps at the end of the trace.
  sdk::Endpoint patient = endpoint;
  patient.patience.answer = std::max(patient.patience.answer, patient.patience.stream);
  const auto client = sdk::MakeClient(patient);
  load::LoadSettings settings;
  settings.requests = static_cast<uint32_t>(workload.trace.requests.size());
  settings.arrival.concurrency = static_cast<uint32_t>(arguments.Integer("concurrency"));
  settings.traced = TracedRequests(&workload.trace, arguments, std::move(model), std::move(keys));

  const InterruptWatch watch(InterruptWatch::Signals::kBoth);
  load::LoadResult result;
  {
    Progress progress("replay", settings.requests);
    result = load::RunLoad(*client, settings, [&](const load::LoadProgress& now) {
      progress.Show(now.done, absl::StrCat(now.tokens, " tokens"));
      return !InterruptWatch::Take();
    });
  }
  WL_RETURN_IF_ERROR(WriteRequestLog(arguments, result));
  const load::LoadReport report = load::Evaluate(result, {}, /*bounded=*/true);
  WL_ASSIGN_OR_RETURN(const std::string digest, client->ScheduleDigest());
  json::object object{{"server", endpoint.url()}, {"num_prompts", settings.requests}};
  for (const auto& [key, value] : load::ToJson(report)) object[key] = value;
  object["skipped_lines"] = workload.skipped;
  object["schedule_digest"] = digest;
  if (arguments.Has("html")) {
    const std::string title = "A trace at " + endpoint.url();
    WL_RETURN_IF_ERROR(
        WriteFile(arguments.Text("html"), LoadPage({title, result, report, object})));
  }
  if (arguments.json()) {
    PrintText(JsonText(object) + "\n");
  } else {
    PrintText(load::ToText(report));
    Print("schedule digest          {}\n", digest);
  }
  if (report.interrupted) return absl::CancelledError("interrupted");
  if (report.completed == 0) return absl::UnavailableError("no request was completed");
  return absl::OkStatus();
}

}  // namespace

Command BenchReplayCommand() {
  Command command{
      .words = "bench replay",
      .summary = "Replay a trace at its own arrival times on a waferd with a stepped clock",
      .flags = ServerFlags(),
      .examples = {"waferctl bench replay --trace requests.jsonl --server grpc://127.0.0.1:50051"},
      .run = ReplayBench};
  std::vector<Flag> own = WorkloadFlags();
  own.push_back(TextFlag("model", "NAME",
                         "model of the requests that name none; the server's first if not given"));
  own.push_back(IntegerFlag("concurrency", "N",
                            "calls open at once: one more than requests are ever in flight",
                            {1, 4096})
                    .Default(1024));
  own.push_back(
      TextFlag("tenant-key", "TENANT=KEY",
               "API key of a tenant of the trace. Tenants without one call with --api-key and "
               "share no cached prefixes")
          .Repeatable());
  own.push_back(RequestLogFlag());
  own.push_back(HtmlFlag());
  command.flags.insert(command.flags.end(), own.begin(), own.end());
  return command;
}

}  // namespace waferline::cli
