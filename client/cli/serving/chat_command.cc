// waferctl chat: a conversation. On a terminal it is interactive: Ctrl-C ends an answer, Ctrl-D the
// conversation. Otherwise each line of stdin is a message.
#include <unistd.h>

#include <filesystem>
#include <iostream>
#include <optional>
#include <string>
#include <utility>

#include "client/cli/frame/output.h"
#include "client/cli/serving/conversation.h"
#include "client/cli/serving/line_editor.h"
#include "client/cli/serving/server_flags.h"
#include "client/cli/serving/serving_commands.h"
#include "wafer_backend/base/command_line/stdout_text.h"
#include "wafer_backend/base/files.h"
#include "wafer_backend/base/json_text.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"
#include "wafer_backend/base/terminal_text.h"

namespace waferline::cli {
namespace {

constexpr char kHelp[] =
    "/model [NAME] lists the models, or asks another one from now on\n"
    "/system TEXT sets the system text, and forgets the conversation; /reset only forgets it\n"
    "/save FILE writes the conversation as JSON; /exit ends it\n"
    "Alt-Enter begins a new line, Ctrl-R searches what was typed before\n"
    "Ctrl-C ends an answer, Ctrl-D the conversation\n";

absl::Status ListModels(sdk::TokenClient& client, const Conversation& conversation) {
  WL_ASSIGN_OR_RETURN(const std::vector<sdk::ModelEntry> models, client.ListModels());
  for (const sdk::ModelEntry& model : models) {
    PrintText((model.id == conversation.model() ? "* " : "  ") + model.id + "\n");
  }
  return absl::OkStatus();
}

absl::Status Save(const Conversation& conversation, const std::string& file) {
  if (file.empty()) return absl::InvalidArgumentError("/save needs the name of a file");
  std::error_code error;
  if (std::filesystem::exists(file, error)) {
    return absl::AlreadyExistsError(file + " exists; name another file");
  }
  WL_RETURN_IF_ERROR(WriteFileAtOnce(file, JsonText(conversation.ToJson()) + "\n"));
  PrintText("wrote " + file + "\n");
  return absl::OkStatus();
}

// A line that begins with '/', other than /exit.
absl::Status HandleControl(const std::string& line, sdk::TokenClient& client,
                           Conversation& conversation) {
  const size_t end = std::min(line.find(' '), line.size());
  const std::string word = line.substr(0, end);
  const std::string rest = end < line.size() ? line.substr(end + 1) : "";
  if (word == "/reset" && rest.empty()) {
    conversation.Reset();
  } else if (word == "/system" && !rest.empty()) {
    conversation.Reset(rest);
  } else if (word == "/save") {
    return Save(conversation, rest);
  } else if (word == "/model") {
    return rest.empty() ? ListModels(client, conversation) : conversation.UseModel(rest);
  } else {
    PrintText(kHelp);
  }
  return absl::OkStatus();
}

void Report(const absl::Status& status) {
  if (!status.ok()) std::cerr << TerminalText(Std(status.message())) << std::endl;
}

absl::Status OnTerminal(LineEditor& lines, sdk::TokenClient& client, Conversation& conversation) {
  PrintText(kHelp);
  FlushStdout().IgnoreError();
  while (const std::optional<std::string> line = lines.Read()) {
    if (line->empty()) continue;
    if (*line == "/exit" || *line == "/quit") break;
    if (line->front() == '/') {
      Report(HandleControl(*line, client, conversation));
      continue;
    }
    absl::Status said;
    {
      const HeldInput held;  // an answer has no typed keys in it
      said = conversation.Say(*line);
    }
    Report(said);
    if (const std::string pace = Pace(conversation.last()); said.ok() && !pace.empty()) {
      std::cerr << "[" << pace << "]" << std::endl;
    }
  }
  PrintText("\n");
  return absl::OkStatus();
}

// Stdin by lines, while an InterruptWatch lives.
class StdinLines {
 public:
  static constexpr size_t kMaxBytes = 4 << 20;  // of a line

  // Nothing: stdin has ended. Cancelled: Ctrl-C. InvalidArgument: a line is too long.
  absl::StatusOr<std::optional<std::string>> Next() {
    for (;;) {
      if (const size_t end = read_.find('\n'); end != std::string::npos) {
        std::string line = read_.substr(0, end);
        read_.erase(0, end + 1);
        return line;
      }
      if (ended_ && read_.empty()) return std::nullopt;
      if (ended_) return std::exchange(read_, "");
      if (read_.size() > kMaxBytes) {
        return absl::InvalidArgumentError("stdin: a message has at most 4 MiB, on one line");
      }
      if (!InterruptWatch::AwaitInput(STDIN_FILENO)) return absl::CancelledError("interrupted");
      char bytes[1 << 16];
      const ssize_t count = read(STDIN_FILENO, bytes, sizeof bytes);
      ended_ = count <= 0;
      if (count > 0) read_.append(bytes, static_cast<size_t>(count));
    }
  }

 private:
  std::string read_;
  bool ended_ = false;
};

// Ctrl-C ends all of it: nobody types the next line.
absl::Status EachLineOfStdin(Conversation& conversation) {
  StdinLines lines;
  for (;;) {
    WL_ASSIGN_OR_RETURN(const std::optional<std::string> line, lines.Next());
    if (!line) return absl::OkStatus();
    if (line->empty()) continue;
    WL_RETURN_IF_ERROR(conversation.Say(*line));
    if (conversation.interrupted()) return absl::CancelledError("interrupted");
  }
}

absl::Status RunChat(const Arguments& arguments) {
  WL_ASSIGN_OR_RETURN(const auto client, ClientOf(arguments));
  WL_ASSIGN_OR_RETURN(sdk::GenerateSpec spec, SpecOf(arguments, *client));
  Conversation conversation(*client, std::move(spec), !arguments.json());
  conversation.Reset(arguments.Text("system"));
  const InterruptWatch watch;
  const std::vector<std::string> messages = arguments.Texts("message");
  for (const std::string& message : messages) {
    if (message.empty()) return UsageError("--message is empty");
    WL_RETURN_IF_ERROR(conversation.Say(message));
  }
  const bool terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) && !arguments.json();
  if (messages.empty() && terminal) {
    const bool named = arguments.Has("history");
    WL_ASSIGN_OR_RETURN(const auto lines, MakeLineEditor("> ", named ? arguments.Text("history")
                                                                     : DefaultHistoryFile()));
    WL_RETURN_IF_ERROR(OnTerminal(*lines, *client, conversation));
  } else if (messages.empty()) {
    WL_RETURN_IF_ERROR(EachLineOfStdin(conversation));
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
  chat.flags.push_back(TextFlag("history", "FILE",
                                "where the lines typed on a terminal are kept, \"\": nowhere; "
                                "without the flag $XDG_STATE_HOME/waferline/chat-history"));
  return chat;
}

}  // namespace waferline::cli
