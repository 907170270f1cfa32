#include "client/cli/serving/bench_flags.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/parse.hpp>

#include "absl/strings/str_cat.h"
#include "client/cli/frame/output.h"
#include "client/cli/frame/progress.h"
#include "client/cli/serving/answer.h"
#include "client/cli/serving/request_log.h"
#include "client/cli/serving/server_flags.h"
#include "wafer_backend/base/files.h"
#include "wafer_backend/base/status.h"

namespace waferline::cli {
namespace {

constexpr int64_t kMaxRequests = 1'000'000;
constexpr uint32_t kPrefixIndex = kMaxRequests;  // no prompt's
constexpr size_t kMaxJsonBytes = 1 << 20;

// What only chats can be asked for asks for chats.
bool IsChat(const Arguments& arguments) {
  return arguments.On("chat") || arguments.Has("schema") || arguments.Has("tools") ||
         arguments.Integer("turns") > 1;
}

// The JSON of a file, which must be an object or a list.
absl::StatusOr<std::string> JsonOf(const Arguments& arguments, const char* flag, bool list) {
  const std::string& path = arguments.Text(flag);
  WL_ASSIGN_OR_RETURN(std::string text, ReadFile(path, kMaxJsonBytes));
  boost::json::error_code error;
  const boost::json::value value = boost::json::parse(text, error);
  if (error || (list ? !value.is_array() : !value.is_object())) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, " is not a JSON ", list ? "list of tools, as OpenAI has it" : "schema"));
  }
  return text;
}

absl::StatusOr<load::ClientManners> MannersOf(const Arguments& arguments) {
  load::ClientManners manners;
  if (arguments.Has("cancel-rate")) manners.cancel_share = arguments.Number("cancel-rate");
  if (arguments.Has("slow-readers")) manners.slow_share = arguments.Number("slow-readers");
  manners.read_pause = Milliseconds(arguments.Integer("read-pause"));
  WL_ASSIGN_OR_RETURN(const sdk::Endpoint endpoint, EndpointOf(arguments));
  if (manners.slow_share > 0 && endpoint.protocol == sdk::Endpoint::Protocol::kGrpc) {
    return UsageError("--slow-readers reads HTTP streams; it has no effect over gRPC");
  }
  return manners;
}

absl::StatusOr<std::vector<load::Prompt>> PromptsOf(const Arguments& arguments, uint64_t seed) {
  const bool chat = IsChat(arguments);
  std::vector<load::Prompt> prompts;
  if (arguments.Has("prompts")) {
    for (const char* flag : {"input-words", "prefix-words", "turns"}) {
      if (arguments.Has(flag)) {
        return UsageError(absl::StrCat("--", flag, " has no effect on the prompts of a file"));
      }
    }
    const std::string& path = arguments.Text("prompts");
    WL_ASSIGN_OR_RETURN(const std::string text, ReadFileOrPipe(path));
    auto read = load::ReadPrompts(text);
    if (!read.ok()) {
      return absl::InvalidArgumentError(absl::StrCat(path, ": ", read.status().message()));
    }
    prompts = *std::move(read);
  } else {
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

}  // namespace

absl::StatusOr<load::LoadSettings> BenchSettings(const Arguments& arguments, uint64_t round) {
  load::LoadSettings settings;
  settings.requests = static_cast<uint32_t>(arguments.Integer("num-prompts"));
  settings.seed = static_cast<uint64_t>(arguments.Integer("seed")) + round;
  settings.request.max_tokens = static_cast<uint32_t>(arguments.Integer("output-tokens"));
  settings.request.ignore_eos = arguments.On("ignore-eos");
  if (arguments.Has("temperature")) settings.request.temperature = arguments.Number("temperature");
  WL_ASSIGN_OR_RETURN(settings.prompts, PromptsOf(arguments, settings.seed));
  WL_ASSIGN_OR_RETURN(settings.manners, MannersOf(arguments));
  settings.turns = static_cast<uint32_t>(arguments.Integer("turns"));
  settings.next_words = [seed = settings.seed,
                         words = static_cast<uint32_t>(arguments.Integer("input-words"))](
                            uint32_t index) { return load::SyntheticPrompt(seed, index, words); };
  if (arguments.Has("schema")) {
    WL_ASSIGN_OR_RETURN(settings.request.json_schema, JsonOf(arguments, "schema", false));
  }
  if (arguments.Has("tools")) {
    WL_ASSIGN_OR_RETURN(settings.request.tools, JsonOf(arguments, "tools", true));
  }
  return settings;
}

absl::StatusOr<LatencyObjectives> BenchObjectives(const Arguments& arguments) {
  if (!arguments.Has("goodput")) return LatencyObjectives();
  auto parsed = ParseLatencyObjectives(arguments.Text("goodput"));
  if (!parsed.ok()) return UsageError(absl::StrCat("--goodput: ", parsed.status().message()));
  return parsed;
}

load::LoadResult RunBenchLoad(sdk::TokenClient& client, const load::LoadSettings& settings) {
  const InterruptWatch watch(InterruptWatch::Signals::kBoth);
  Progress progress("bench", settings.requests);
  return load::RunLoad(client, settings, [&](const load::LoadProgress& now) {
    const double seconds = std::max(ToSeconds(now.elapsed), 1e-9);
    progress.Show(now.done,
                  fmt::format("{:.0f} tokens/s", static_cast<double>(now.tokens) / seconds));
    return !InterruptWatch::Take();
  });
}

std::vector<Flag> BenchFlags() {
  std::vector<Flag> flags = ServerFlags();
  const std::vector<Flag> own = {
      ModelNameFlag(),
      IntegerFlag("num-prompts", "N",
                  "number of requests; one more goes before them, to warm up, and is billed as any",
                  {1, kMaxRequests})
          .Default(100),
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
      IntegerFlag("turns", "N",
                  "requests of one conversation: each goes on with all that was said, when the "
                  "answer before is there",
                  {1, 1000})
          .Default(1),
      TextFlag("schema", "FILE", "a JSON schema that each answer is held to"),
      TextFlag("tools", "FILE", "OpenAI's list of tools as JSON; each answer must call some"),
      NumberFlag("cancel-rate", "P", "share of requests whose client goes away after some tokens",
                 {0, 1}),
      NumberFlag("slow-readers", "P", "share of requests whose client reads with pauses", {0, 1}),
      IntegerFlag("read-pause", "MS", "the pauses of --slow-readers, after each 512 bytes",
                  {1, 60'000})
          .Default(100),
      IntegerFlag("seed", "N", "seed of the times and of made-up prompts", {}).Default(0),
      TextFlag("goodput", "LIMITS",
               "count the requests within these limits, in ms, as ttft:200,tpot:50"),
      HtmlFlag(),
  };
  flags.insert(flags.end(), own.begin(), own.end());
  return flags;
}

}  // namespace waferline::cli
