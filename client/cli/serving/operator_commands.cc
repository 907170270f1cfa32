// waferctl status, requests, top, abort, drain, resume: what an operator sees of a running waferd,
// and does with it.
#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <boost/json.hpp>

#include "client/cli/frame/output.h"
#include "client/cli/serving/answer.h"
#include "client/cli/serving/live_text.h"
#include "client/cli/serving/server_flags.h"
#include "client/cli/serving/serving_commands.h"
#include "client/sdk/operator_client.h"
#include "wafer_backend/base/command_line/stdout_text.h"
#include "wafer_backend/base/json_text.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/terminal_text.h"

namespace waferline::cli {
namespace {

namespace json = boost::json;

absl::StatusOr<sdk::Endpoint> OperatorEndpoint(const Arguments& arguments) {
  WL_ASSIGN_OR_RETURN(sdk::Endpoint endpoint, EndpointOf(arguments));
  if (const absl::Status status = sdk::OperatorClient::Check(endpoint); !status.ok()) {
    return UsageError("--server: " + std::string(status.message()));
  }
  endpoint.patience.stream = endpoint.patience.answer;  // a look at the cloud comes every second
  return endpoint;
}

absl::StatusOr<json::object> ParseLook(std::string_view text) {
  boost::system::error_code error;
  json::value value = json::parse(json::string_view(text.data(), text.size()), error);
  if (error || !value.is_object()) {
    return absl::InternalError("the server's /admin/live is not a JSON object");
  }
  return std::move(value.as_object());
}

// The first look of a stream.
absl::StatusOr<json::object> OneLook(const sdk::Endpoint& endpoint) {
  sdk::OperatorClient client(endpoint);
  absl::StatusOr<json::object> look = absl::UnavailableError("the server showed nothing");
  const absl::Status status = client.Watch([&look](std::string_view text) {
    look = ParseLook(text);
    return false;
  });
  if (!status.ok()) return status;
  return look;
}

// What balancers are told: "not ready" with a "why", and in "impaired" the models that cannot be
// served, each with the reason.
void AddReadiness(const sdk::Endpoint& endpoint, json::object* look) {
  const absl::StatusOr<std::string> ready = sdk::OperatorClient(endpoint).Get("/ready");
  if (absl::IsUnavailable(ready.status())) {
    (*look)["state"] = "not ready";
    (*look)["why"] = std::string(ready.status().message());
  }
  if (!ready.ok()) return;
  const absl::StatusOr<json::object> parsed = ParseLook(*ready);
  if (parsed.ok() && parsed->contains("models")) (*look)["impaired"] = parsed->at("models");
}

absl::Status RunStatus(const Arguments& arguments) {
  WL_ASSIGN_OR_RETURN(const sdk::Endpoint endpoint, OperatorEndpoint(arguments));
  WL_ASSIGN_OR_RETURN(json::object look, OneLook(endpoint));
  look.erase("requests");
  AddReadiness(endpoint, &look);
  PrintText(arguments.json() ? JsonText(look) + "\n" : StatusText(look));
  return absl::OkStatus();
}

absl::Status RunRequests(const Arguments& arguments) {
  WL_ASSIGN_OR_RETURN(const sdk::Endpoint endpoint, OperatorEndpoint(arguments));
  WL_ASSIGN_OR_RETURN(const json::object look, OneLook(endpoint));
  if (!arguments.json()) {
    PrintText(RequestsText(look, arguments.On("ended") ? SIZE_MAX : 0));
    return absl::OkStatus();
  }
  json::array shown;
  for (const json::value& request : look.at("requests").as_array()) {
    const bool live = !request.as_object().contains("end");
    if (live || arguments.On("ended")) shown.push_back(request);
  }
  PrintText(JsonText(json::object{{"requests", std::move(shown)}}) + "\n");
  return absl::OkStatus();
}

Screen ScreenNow() {
  winsize size{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return {};
  return {size.ws_col, size.ws_row - 1};
}

// Draws each look over the one before; on a pipe one after the other.
class TopScreen {
 public:
  explicit TopScreen(bool draws) : terminal_(draws && isatty(STDOUT_FILENO) == 1) {
    if (terminal_) WriteStdout("\033[?1049h\033[?25l");  // the other screen, no cursor
  }
  ~TopScreen() {
    if (terminal_) WriteStdout("\033[?25h\033[?1049l");
  }
  TopScreen(const TopScreen&) = delete;
  TopScreen& operator=(const TopScreen&) = delete;

  absl::Status Draw(json::object look) {
    const Screen screen = terminal_ ? ScreenNow() : Screen{200, 1000};
    const std::string text = TerminalText(TopText(before_, look, screen));
    WriteStdout(fmt::format("{}{}{}", terminal_ ? "\033[H\033[J" : "", text,
                            terminal_ ? "Ctrl-C ends this" : "\n"));
    before_ = std::move(look);
    return FlushStdout();
  }

 private:
  const bool terminal_;
  json::object before_;
};

absl::Status RunTop(const Arguments& arguments) {
  WL_ASSIGN_OR_RETURN(const sdk::Endpoint endpoint, OperatorEndpoint(arguments));
  const int64_t most = arguments.Has("count") ? arguments.Integer("count") : 0;
  const InterruptWatch watch(InterruptWatch::Signals::kBoth);
  sdk::OperatorClient client(endpoint);
  TopScreen screen(!arguments.json());
  int64_t shown = 0;
  absl::Status wrong;
  const absl::Status status = client.Watch([&](std::string_view text) {
    auto look = ParseLook(text);
    if (!look.ok()) wrong = look.status();
    if (!look.ok() || InterruptWatch::Take()) return false;
    if (arguments.json()) {
      PrintText(JsonText(*look) + "\n");
      wrong = FlushStdout();
    } else {
      wrong = screen.Draw(*std::move(look));
    }
    return wrong.ok() && (most == 0 || ++shown < most);
  });
  return wrong.ok() ? status : wrong;
}

absl::Status RunAbort(const Arguments& arguments) {
  WL_ASSIGN_OR_RETURN(const sdk::Endpoint endpoint, OperatorEndpoint(arguments));
  sdk::OperatorClient client(endpoint);
  const std::string& id = arguments.operand(0);
  json::object name{{"request_id", id}};
  if (arguments.Has("tenant")) name["tenant"] = arguments.Text("tenant");
  WL_ASSIGN_OR_RETURN(const std::string answer, client.Post("/admin/abort", JsonText(name)));
  WL_ASSIGN_OR_RETURN(const json::object object, ParseLook(answer));
  const json::value* aborted = object.if_contains("aborted");
  const bool any = aborted != nullptr && aborted->is_number() && aborted->to_number<double>() > 0;
  if (arguments.json()) PrintText(answer + "\n");
  if (!any) {
    return absl::NotFoundError("no request in flight has the id " + id +
                               (arguments.Has("tenant")
                                    ? " and this tenant"
                                    : "; with API keys --tenant says whose it is"));
  }
  if (!arguments.json())
    Print("ended {} of {}\n", Counted(aborted->to_number<int64_t>(), "answer"), id);
  return absl::OkStatus();
}

// `says`: what has changed by it.
absl::Status Order(const Arguments& arguments, const std::string& path, const char* says) {
  WL_ASSIGN_OR_RETURN(const sdk::Endpoint endpoint, OperatorEndpoint(arguments));
  sdk::OperatorClient client(endpoint);
  WL_ASSIGN_OR_RETURN(const std::string answer, client.Post(path, "{}"));
  WL_ASSIGN_OR_RETURN(const json::object object, ParseLook(answer));
  const json::value* left = object.if_contains("in_flight");
  if (arguments.json()) {
    PrintText(answer + "\n");
  } else {
    Print("{}; {} in flight go on\n", says,
          left != nullptr && left->is_number() ? left->to_number<int64_t>() : 0);
  }
  return absl::OkStatus();
}

absl::Status RunDrain(const Arguments& arguments) {
  return Order(arguments, "/admin/drain", "takes no new requests");
}

absl::Status RunResume(const Arguments& arguments) {
  return Order(arguments, "/admin/resume", "takes new requests");
}

}  // namespace

Command StatusCommand() {
  return {.words = "status",
          .summary = "What waits and runs on a waferd, and what is wrong with its parts",
          .flags = HttpServerFlags(),
          .examples = {"waferctl status"},
          .run = RunStatus};
}

Command RequestsCommand() {
  Command command{.words = "requests",
                  .summary = "List a waferd's requests in flight, with their tokens over 1 ms late",
                  .flags = HttpServerFlags(),
                  .examples = {"waferctl requests --ended"},
                  .run = RunRequests};
  command.flags.push_back(Switch("ended", "also those that ended last"));
  return command;
}

Command TopCommand() {
  Command command{.words = "top",
                  .summary = "Watch a waferd: models, devices and requests, twice a second",
                  .flags = HttpServerFlags(),
                  .examples = {"waferctl top"},
                  .run = RunTop};
  command.flags.push_back(
      IntegerFlag("count", "N", "end after N looks; Ctrl-C ends it otherwise", {1, 1 << 30}));
  return command;
}

Command AbortCommand() {
  Command command{.words = "abort",
                  .summary = "End one request of a waferd",
                  .operands = {{"ID", "its x-request-id, as `waferctl requests` lists it"}},
                  .flags = HttpServerFlags(),
                  .examples = {"waferctl abort req-42", "waferctl abort req-42 --tenant acme"},
                  .run = RunAbort};
  command.flags.push_back(
      TextFlag("tenant", "NAME",
               "whose request it is, on a server with API keys: ids are each tenant's own"));
  return command;
}

Command DrainCommand() {
  return {.words = "drain",
          .summary = "Let a waferd take no new requests until `resume`; those in flight go on",
          .flags = HttpServerFlags(),
          .examples = {"waferctl drain"},
          .run = RunDrain};
}

Command ResumeCommand() {
  return {.words = "resume",
          .summary = "Let a waferd take new requests again after `drain`",
          .flags = HttpServerFlags(),
          .examples = {"waferctl resume"},
          .run = RunResume};
}

}  // namespace waferline::cli
