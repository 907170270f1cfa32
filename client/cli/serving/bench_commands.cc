#include "client/cli/serving/bench_commands.h"

#include <boost/json.hpp>
#include <fstream>
#include <iostream>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cli/frame/arguments.h"
#include "client/cli/frame/progress.h"
#include "client/cli/serving/answer.h"
#include "client/cli/serving/server_flags.h"
#include "client/load/load_report.h"
#include "client/load/load_run.h"
#include "wafer_backend/base/latency_objectives.h"
#include "wafer_backend/base/status.h"

namespace waferline::cli {
namespace {

namespace json = boost::json;

constexpr int64_t kMaxRequests = 1'000'000;

absl::StatusOr<std::vector<load::Prompt>> PromptsOf(const Arguments& arguments) {
  const bool chat = arguments.On("chat");
  std::vector<load::Prompt> prompts;
  if (arguments.Has("prompts")) {
    const std::string& path = arguments.Text("prompts");
    std::ifstream file(path, std::ios::binary);
    const std::string text((std::istreambuf_iterator<char>(file)), {});
    if (!file) return absl::NotFoundError(absl::StrCat("--prompts: cannot read ", path));
    auto read = load::ReadPrompts(text);
    if (!read.ok()) {
      return absl::InvalidArgumentError(absl::StrCat(path, ": ", read.status().message()));
    }
    prompts = *std::move(read);
  } else {
    for (uint32_t i = 0; i < arguments.Integer("num-prompts"); ++i) {
      prompts.push_back(
          load::SyntheticPrompt(static_cast<uint64_t>(arguments.Integer("seed")), i,
                                static_cast<uint32_t>(arguments.Integer("input-words"))));
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

// What was asked, under vLLM's names, in front of what was measured.
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

  const InterruptWatch watch;
  load::LoadResult result;
  {
    Progress progress("bench", settings.requests);
    result = load::RunLoad(*client, settings, [&](const load::LoadProgress& now) {
      const double seconds = std::max(ToSeconds(now.elapsed), 1e-9);
      progress.Show(now.done, absl::StrFormat("%.0f tokens/s", now.tokens / seconds));
      return !InterruptWatch::Take();
    });
  }
  const bool bounded =
      settings.arrival.rate_per_second.has_value() && settings.arrival.concurrency.has_value();
  const load::LoadReport report = load::Evaluate(result, objectives, bounded);
  if (arguments.Has("requests")) {
    WL_RETURN_IF_ERROR(WriteRequests(arguments.Text("requests"), result));
  }
  if (arguments.json()) {
    json::object object = Header(arguments, settings, endpoint);
    for (const auto& [key, value] : load::ToJson(report)) object[key] = value;
    std::cout << json::serialize(object) << std::endl;
  } else {
    std::cout << load::ToText(report);
  }
  for (const std::string& warning : report.warnings) std::cerr << "warning: " << warning << '\n';
  if (report.interrupted) return absl::CancelledError("interrupted");
  if (report.completed == 0) return absl::UnavailableError("no request was completed");
  return absl::OkStatus();
}

}  // namespace

absl::Status WriteRequests(const std::string& path, const load::LoadResult& result) {
  std::ofstream file(path);
  for (const load::RequestRecord& record : result.records) {
    file << json::serialize(load::ToJson(record)) << '\n';
  }
  file.flush();
  if (!file) return absl::UnavailableError(absl::StrCat("--requests: cannot write ", path));
  return absl::OkStatus();
}

std::vector<Command> BenchCommands() {
  Command run{.words = "bench run",
              .summary = "Load a server and measure latency and throughput",
              .flags = ServerFlags(),
              .run = RunBench};
  const std::vector<Flag> own = {
      TextFlag("model", "NAME", "which model; the server's first one if absent"),
      IntegerFlag("num-prompts", "N", "how many requests", 100, 1, kMaxRequests),
      IntegerFlag("concurrency", "N",
                  "closed loop with N at once (1 without --rate); with --rate at most N at once",
                  std::nullopt, 1, 65536),
      NumberFlag("rate", "R", "open loop: R Poisson arrivals a second", std::nullopt, 1e-3, 1e6),
      TextFlag("prompts", "FILE",
               "one prompt a line: text, {\"prompt\": ...} or {\"messages\": [...]}"),
      IntegerFlag("input-words", "N", "words of a synthetic prompt", 32, 1, 1'000'000),
      IntegerFlag("output-tokens", "N", "max_tokens of each request", 64, 1, 1'000'000),
      NumberFlag("temperature", "T", "0 is greedy", std::nullopt, 0, 2),
      Switch("ignore-eos", "always --output-tokens tokens, where the server can"),
      Switch("chat", "send prompts as chat messages"),
      IntegerFlag("seed", "N", "of arrivals and synthetic prompts", 0, 0,
                  std::numeric_limits<int64_t>::max()),
      TextFlag("goodput", "LIMITS", "count requests within these, e.g. ttft:200,tpot:50 (ms)"),
      TextFlag("requests", "FILE", "write one JSON line for each request"),
  };
  run.flags.insert(run.flags.end(), own.begin(), own.end());
  return {run, BenchReplayCommand()};
}

}  // namespace waferline::cli
