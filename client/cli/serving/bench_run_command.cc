// waferctl bench run: load on a server, and what its clients measure.
#include <fmt/format.h>

#include <boost/json.hpp>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "client/cli/frame/output.h"
#include "client/cli/frame/progress.h"
#include "client/cli/serving/answer.h"
#include "client/cli/serving/load_page.h"
#include "client/cli/serving/request_log.h"
#include "client/cli/serving/server_flags.h"
#include "client/cli/serving/serving_commands.h"
#include "client/load/load_report.h"
#include "client/load/load_run.h"
#include "wafer_backend/base/files.h"
#include "wafer_backend/base/json_text.h"
#include "wafer_backend/base/latency_objectives.h"
#include "wafer_backend/base/status.h"

namespace waferline::cli {
namespace {

namespace json = boost::json;

constexpr int64_t kMaxRequests = 1'000'000;
constexpr uint32_t kPrefixIndex = kMaxRequests;  // no prompt's

absl::StatusOr<std::vector<load::Prompt>> PromptsOf(const Arguments& arguments) {
  const bool chat = arguments.On("chat");
  std::vector<load::Prompt> prompts;
  if (arguments.Has("prompts")) {
    for (const char* flag : {"input-words", "prefix-words"}) {
      if (arguments.Has(flag)) {
        return UsageError(absl::StrCat("--", flag, " has no effect on the prompts of a file"));
      }
    }
    const std::string& path = arguments.Text("prompts");
    WL_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
    auto read = load::ReadPrompts(text);
    if (!read.ok()) {
      return absl::InvalidArgumentError(absl::StrCat(path, ": ", read.status().message()));
    }
    prompts = *std::move(read);
  } else {
    const auto seed = static_cast<uint64_t>(arguments.Integer("seed"));
    const auto shared = static_cast<uint32_t>(arguments.Integer("prefix-words"));
    const std::string prefix =
        shared == 0 ? "" : load::SyntheticPrompt(seed, kPrefixIndex, shared) + " ";
    for (uint32_t i = 0; i < arguments.Integer("num-prompts"); ++i) {
      std::string text = prefix;
      text +=
          load::SyntheticPrompt(seed, i, static_cast<uint32_t>(arguments.Integer("input-words")));
      prompts.emplace_back(std::in_place_type<std::string>, std::move(text));
    }
  }
  for (load::Prompt& prompt : prompts) {
    if (const auto* text = std::get_if<std::string>(&prompt); chat && text != nullptr) {
      prompt = std::vector<sdk::ChatTurn>{{.role = "user", .content = *text}};
    }
  }
  return prompts;
}

absl::StatusOr<load::LoadSettings> SettingsOf(const Arguments& arguments) {
  load::LoadSettings settings;
  if (arguments.Has("concurrency")) {
    settings.arrival.concurrency = static_cast<uint32_t>(arguments.Integer("concurrency"));
  }
  if (arguments.Has("rate")) settings.arrival.rate_per_second = arguments.Number("rate");
  if (!settings.arrival.concurrency && !settings.arrival.rate_per_second) {
    settings.arrival.concurrency = 1;
  }
  settings.requests = static_cast<uint32_t>(arguments.Integer("num-prompts"));
  settings.seed = static_cast<uint64_t>(arguments.Integer("seed"));
  settings.request.max_tokens = static_cast<uint32_t>(arguments.Integer("output-tokens"));
  settings.request.ignore_eos = arguments.On("ignore-eos");
  if (arguments.Has("temperature")) settings.request.temperature = arguments.Number("temperature");
  WL_ASSIGN_OR_RETURN(settings.prompts, PromptsOf(arguments));
  return settings;
}

// What was asked, under vLLM's names; it precedes what was measured.
json::object Header(const Arguments& arguments, const load::LoadSettings& settings,
                    const sdk::Endpoint& endpoint) {
  json::object object{{"backend", endpoint.protocol == sdk::Endpoint::Protocol::kGrpc
                                      ? "waferline-grpc"
                                      : (arguments.On("chat") ? "openai-chat" : "openai")},
                      {"server", endpoint.url()},
                      {"model_id", settings.request.model},
                      {"num_prompts", settings.requests},
                      {"seed", settings.seed}};
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

load::LoadResult Measure(sdk::TokenClient& client, const load::LoadSettings& settings) {
  const InterruptWatch watch(InterruptWatch::Signals::kBoth);
  Progress progress("bench", settings.requests);
  return load::RunLoad(client, settings, [&](const load::LoadProgress& now) {
    const double seconds = std::max(ToSeconds(now.elapsed), 1e-9);
    progress.Show(now.done,
                  fmt::format("{:.0f} tokens/s", static_cast<double>(now.tokens) / seconds));
    return !InterruptWatch::Take();
  });
}

absl::Status RunBench(const Arguments& arguments) {
  LatencyObjectives objectives;
  if (arguments.Has("goodput")) {
    auto parsed = ParseLatencyObjectives(arguments.Text("goodput"));
    if (!parsed.ok()) return UsageError(absl::StrCat("--goodput: ", parsed.status().message()));
    objectives = *parsed;
  }
  WL_ASSIGN_OR_RETURN(const sdk::Endpoint endpoint, EndpointOf(arguments));
  WL_ASSIGN_OR_RETURN(load::LoadSettings settings, SettingsOf(arguments));
  const auto client = sdk::MakeClient(endpoint);
  WL_ASSIGN_OR_RETURN(settings.request.model, ModelOf(arguments, *client));
  WL_RETURN_IF_ERROR(load::Warm(*client, &settings.request, settings.prompts.front()));

  const load::LoadResult result = Measure(*client, settings);
  const bool bounded =
      settings.arrival.rate_per_second.has_value() && settings.arrival.concurrency.has_value();
  const load::LoadReport report = load::Evaluate(result, objectives, bounded);
  WL_RETURN_IF_ERROR(WriteRequestLog(arguments, result));
  json::object object = Header(arguments, settings, endpoint);
  for (const auto& [key, value] : load::ToJson(report)) object[key] = value;
  if (arguments.Has("html")) {
    const std::string title = "Load on " + settings.request.model + " at " + endpoint.url();
    WL_RETURN_IF_ERROR(
        WriteFile(arguments.Text("html"), LoadPage({title, result, report, object})));
  }
  if (arguments.json()) {
    PrintText(JsonText(object) + "\n");
  } else {
    PrintText(load::ToText(report));
  }
  for (const std::string& warning : report.warnings) {
    fprintf(stderr, "warning: %s\n", warning.c_str());
  }
  if (report.interrupted) return absl::CancelledError("interrupted");
  if (report.completed == 0) return absl::UnavailableError("no request was completed");
  return absl::OkStatus();
}

}  // namespace

Command BenchRunCommand() {
  Command run{.words = "bench run",
              .summary = "Send requests and measure latency and throughput",
              .flags = ServerFlags(),
              .examples = {"waferctl bench run --concurrency 16 --num-prompts 200",
                           "waferctl bench run --rate 20 --goodput ttft:200,tpot:50"},
              .run = RunBench};
  const std::vector<Flag> own = {
      ModelNameFlag(),
      IntegerFlag("num-prompts", "N", "number of requests", {1, kMaxRequests}).Default(100),
      IntegerFlag("concurrency", "N",
                  "send the next request when one of N ends (1 without --rate); with --rate: at "
                  "most N at once",
                  {1, 65536}),
      NumberFlag("rate", "R", "send R requests a second, at random (Poisson) times", {1e-3, 1e6}),
      TextFlag("prompts", "FILE",
               "one prompt a line: text, {\"prompt\": ...}, {\"messages\": [...]} or ShareGPT's "
               "{\"conversations\": [...]}"),
      IntegerFlag("input-words", "N", "words of a made-up prompt", {1, 1'000'000}).Default(32),
      IntegerFlag("prefix-words", "N", "words that all made-up prompts begin with", {0, 1'000'000})
          .Default(0),
      IntegerFlag("output-tokens", "N", "max_tokens of each request", {1, 1'000'000}).Default(64),
      NumberFlag("temperature", "T", "0 always takes the likeliest token", {0, 2}),
      Switch("ignore-eos", "always produce --output-tokens tokens, if the server can"),
      Switch("chat", "send the prompts as chat messages"),
      IntegerFlag("seed", "N", "seed of the times and of made-up prompts", {}).Default(0),
      TextFlag("goodput", "LIMITS",
               "count the requests within these limits, in ms, as ttft:200,tpot:50"),
      RequestLogFlag(),
      HtmlFlag(),
  };
  run.flags.insert(run.flags.end(), own.begin(), own.end());
  return run;
}

}  // namespace waferline::cli
