// waferctl chat: a conversation. On a terminal it is interactive: Ctrl-C ends an answer, Ctrl-D the
// conversation. Otherwise each line of stdin is a message.
#include <unistd.h>

#include <boost/json.hpp>
#include <iostream>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "client/cli/frame/output.h"
#include "client/cli/serving/answer.h"
#include "client/cli/serving/server_flags.h"
#include "client/cli/serving/serving_commands.h"
#include "wafer_backend/base/json_text.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"
#include "wafer_backend/base/terminal_text.h"

namespace waferline::cli {
namespace {

namespace json = boost::json;

constexpr char kHelp[] =
    "/reset forgets the conversation, /system TEXT also sets its system text, /exit ends it\n"
    "Ctrl-C ends an answer, Ctrl-D the conversation\n";

class Conversation {
 public:
  Conversation(sdk::TokenClient& client, sdk::GenerateSpec spec, std::string system, bool show)
      : client_(client), spec_(std::move(spec)), show_(show) {
    Reset(std::move(system));
  }

  void Reset(std::optional<std::string> system = std::nullopt) {
    if (system) system_ = *std::move(system);
    turns_.clear();
    if (!system_.empty()) turns_.push_back({.role = "system", .content = system_});
  }

  // A failed turn leaves the conversation as it was; an interrupted one keeps what came.
  absl::Status Say(const std::string& message) {
    turns_.push_back({.role = "user", .content = message});
    spec_.prompt = turns_;
    Answer answer = Ask(client_, spec_, show_);
    // What the context cannot hold any more is forgotten from its beginning.
    while (IsTooLong(answer) && DropOldest()) {
      spec_.prompt = turns_;
      answer = Ask(client_, spec_, show_);
    }
    if (show_) std::cout << (answer.interrupted ? " [interrupted]\n" : "\n") << std::flush;
    if (!answer.ending.status.ok() && !answer.interrupted) {
      turns_.pop_back();
      return answer.ending.status;
    }
    turns_.push_back({.role = "assistant", .content = answer.text});
    last_ = answer.ending;
    return absl::OkStatus();
  }

  const sdk::Ending& last() const { return last_; }

  json::object ToJson() const {
    json::array messages;
    for (const sdk::ChatTurn& turn : turns_) {
      messages.push_back(json::object{{"role", turn.role}, {"content", turn.content}});
    }
    json::object result{{"model", spec_.model}, {"messages", std::move(messages)}};
    for (const auto& [key, value] : Describe(last_)) result[key] = value;
    return result;
  }

 private:
  // Refused for its length, before anything came.
  static bool IsTooLong(const Answer& answer) {
    return absl::IsInvalidArgument(answer.ending.status) && answer.text.empty() &&
           absl::StrContains(answer.ending.status.message(), "context");
  }

  // The oldest question with its answer, never the one that is asked now. False: there is none.
  bool DropOldest() {
    const size_t first = system_.empty() ? 0 : 1;
    if (turns_.size() < first + 3) return false;
    turns_.erase(turns_.begin() + static_cast<int64_t>(first),
                 turns_.begin() + static_cast<int64_t>(first) + 2);
    if (show_) std::cerr << "(forgot the oldest question and answer: the context is full)\n";
    return true;
  }

  sdk::TokenClient& client_;
  sdk::GenerateSpec spec_;
  const bool show_;
  std::string system_;
  std::vector<sdk::ChatTurn> turns_;
  sdk::Ending last_;
};

// One line of stdin without its end; nothing at the end of input. On a terminal Ctrl-C gives an
// empty line.
std::optional<std::string> ReadLine(bool terminal) {
  if (terminal) {
    std::cout << "> " << std::flush;
    if (!InterruptWatch::AwaitInput(STDIN_FILENO)) {
      std::cout << "\n(Ctrl-D ends the conversation)\n";
      return "";
    }
  }
  std::string line;
  if (!std::getline(std::cin, line)) return std::nullopt;
  return line;
}

// False: the conversation is over.
bool HandleControl(const std::string& line, Conversation& conversation) {
  if (line == "/exit" || line == "/quit") return false;
  if (line == "/reset") {
    conversation.Reset();
  } else if (line.starts_with("/system ")) {
    conversation.Reset(line.substr(8));
  } else {
    std::cout << kHelp;
  }
  return true;
}

absl::Status Interactive(Conversation& conversation) {
  const bool terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
  if (terminal) std::cout << kHelp;
  while (const std::optional<std::string> line = ReadLine(terminal)) {
    if (line->empty()) continue;
    if (terminal && line->front() == '/') {
      if (!HandleControl(*line, conversation)) break;
      continue;
    }
    const absl::Status said = conversation.Say(*line);
    if (!said.ok() && !terminal) return said;
    if (!said.ok()) std::cerr << TerminalText(Std(said.message())) << std::endl;
    if (const std::string pace = Pace(conversation.last());
        terminal && said.ok() && !pace.empty()) {
      std::cerr << "[" << pace << "]" << std::endl;
    }
  }
  if (terminal) std::cout << std::endl;
  return absl::OkStatus();
}

absl::Status RunChat(const Arguments& arguments) {
  WL_ASSIGN_OR_RETURN(const auto client, ClientOf(arguments));
  WL_ASSIGN_OR_RETURN(sdk::GenerateSpec spec, SpecOf(arguments, *client));
  Conversation conversation(*client, std::move(spec), arguments.Text("system"), !arguments.json());
  const InterruptWatch watch;
  const std::vector<std::string> messages = arguments.Texts("message");
  for (const std::string& message : messages) {
    if (message.empty()) return UsageError("--message is empty");
    WL_RETURN_IF_ERROR(conversation.Say(message));
  }
  if (messages.empty() && !arguments.json()) WL_RETURN_IF_ERROR(Interactive(conversation));
  if (messages.empty() && arguments.json()) {
    while (const std::optional<std::string> line = ReadLine(false)) {
      if (!line->empty()) WL_RETURN_IF_ERROR(conversation.Say(*line));
    }
  }
  if (arguments.json()) PrintText(JsonText(conversation.ToJson()) + "\n");
  return absl::OkStatus();
}

}  // namespace

Command ChatCommand() {
  Command chat{.words = "chat",
               .summary = "Talk with a model; without a terminal each line of stdin is a message",
               .flags = GenerateFlags(),
               .examples = {"waferctl chat", "waferctl chat --message \"Tell me a story.\""},
               .run = RunChat};
  chat.flags.push_back(TextFlag("system", "TEXT", "a system text to begin with").Default(""));
  chat.flags.push_back(
      TextFlag("message", "TEXT", "send this instead of reading stdin").Repeatable());
  return chat;
}

}  // namespace waferline::cli
