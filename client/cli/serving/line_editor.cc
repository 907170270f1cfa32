#include "client/cli/serving/line_editor.h"

#include <histedit.h>
#include <unistd.h>

#include <cerrno>
#include <clocale>
#include <cstdio>
#include <cstdlib>
#include <cwchar>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>

#include "absl/status/status.h"
#include "client/cli/serving/answer.h"
#include "wafer_backend/base/check.h"

namespace waferline::cli {
namespace {

constexpr wchar_t kPasteEnd[] = L"\033[201~";

// Letters outside ASCII need a locale that knows them; the environment may name none.
void UseUtf8() {
  setlocale(LC_CTYPE, "");
  if (MB_CUR_MAX == 1) setlocale(LC_CTYPE, "C.UTF-8");
}

// What of a pasted character goes into the line: a carriage return is a line feed, other control
// characters than tab are dropped. `before`: the character before it, since the terminal's driver
// turns "\r\n" into "\n\r".
wchar_t Pasted(wchar_t c, wchar_t before) {
  if (c == L'\r' && before == L'\n') return 0;
  if (c == L'\r') return L'\n';
  return (c < L' ' && c != L'\t' && c != L'\n') || c == 0x7f ? 0 : c;
}

class EditedLines : public LineEditor {
 public:
  EditedLines(std::string prompt, std::string history_file)
      : prompt_(std::move(prompt)),
        history_file_(std::move(history_file)),
        history_(history_init()),
        editor_(el_init("waferctl", stdin, stdout, stderr)) {
    WL_CHECK(history_ != nullptr && editor_ != nullptr);
    HistEvent event;
    history(history_, &event, H_SETSIZE, kMaxHistory);
    history(history_, &event, H_SETUNIQUE, 1);
    el_set(editor_, EL_CLIENTDATA, this);
    el_set(editor_, EL_PROMPT, &Prompt);
    el_set(editor_, EL_EDITOR, "emacs");
    el_set(editor_, EL_SIGNAL, 0);  // Ctrl-C is the InterruptWatch's
    el_set(editor_, EL_GETCFN, &ReadCharacter);
    el_set(editor_, EL_HIST, history, history_);
    el_set(editor_, EL_ADDFN, "waferctl-paste", "Take a paste whole", &TakePaste);
    el_set(editor_, EL_ADDFN, "waferctl-line-feed", "Insert a line feed", &InsertLineFeed);
    const std::pair<const char*, const char*> keys[] = {
        {"\\e[200~", "waferctl-paste"},    {"\\e^M", "waferctl-line-feed"},
        {"\\e^J", "waferctl-line-feed"},   {"^R", "em-inc-search-prev"},
        {"\\e[3~", "ed-delete-next-char"}, {"\\e[1;5D", "ed-prev-word"},
        {"\\e[1;5C", "em-next-word"}};
    for (const auto& [key, what] : keys) el_set(editor_, EL_BIND, key, what, nullptr);
  }

  ~EditedLines() override {
    el_end(editor_);
    history_end(history_);
  }

  absl::Status Load() {
    if (history_file_.empty()) return absl::OkStatus();
    std::error_code error;
    const std::filesystem::path folder = std::filesystem::path(history_file_).parent_path();
    if (!folder.empty()) std::filesystem::create_directories(folder, error);
    if (error) return absl::UnavailableError(folder.string() + ": " + error.message());
    if (!std::filesystem::exists(history_file_, error)) return absl::OkStatus();
    if (!std::filesystem::is_regular_file(history_file_, error) ||
        std::filesystem::file_size(history_file_, error) > kMaxHistoryBytes) {
      return absl::UnavailableError(history_file_ + " is not a file of up to " +
                                    std::to_string(kMaxHistoryBytes >> 20) +
                                    " MiB; name another one with --history");
    }
    HistEvent event;
    if (history(history_, &event, H_LOAD, history_file_.c_str()) < 0 &&
        std::filesystem::file_size(history_file_, error) > 0) {
      return absl::UnavailableError(history_file_ +
                                    " is not a history of lines; name another file");
    }
    return absl::OkStatus();
  }

  std::optional<std::string> Read() override {
    interrupted_ = false;
    el_resize(editor_);
    // Before the prompt: what is typed on seeing it must not meet the terminal's own editing.
    el_set(editor_, EL_PREP_TERM, 1);
    Say(kAskPastes);
    int count = 0;
    const char* line = el_gets(editor_, &count);
    Say(kEndPastes);
    if (interrupted_) {
      el_reset(editor_);
      std::fputs("\n(Ctrl-D ends the conversation)\n", stdout);
      return "";
    }
    if (line == nullptr || count <= 0) return std::nullopt;
    std::string text = line;
    while (!text.empty() && text.back() == '\n') text.pop_back();
    if (!text.empty()) Keep(text);
    return text;
  }

 private:
  static constexpr char kAskPastes[] = "\033[?2004h";
  static constexpr char kEndPastes[] = "\033[?2004l";

  static EditedLines& Of(EditLine* editor) {
    void* self = nullptr;
    el_get(editor, EL_CLIENTDATA, &self);
    return *static_cast<EditedLines*>(self);
  }
  static char* Prompt(EditLine* editor) { return Of(editor).prompt_.data(); }

  // libedit's: 1 with a character, 0 at the end of input, -1 if there is none.
  static int ReadCharacter(EditLine* editor, wchar_t* out) {
    EditedLines& self = Of(editor);
    std::mbstate_t state{};
    for (;;) {
      char byte;
      if (const int got = self.NextByte(&byte); got != 1) return got;
      const size_t used = std::mbrtowc(out, &byte, 1, &state);
      if (used == static_cast<size_t>(-2)) continue;  // the character has more bytes
      if (used == static_cast<size_t>(-1)) *out = L'\uFFFD';
      return 1;
    }
  }

  int NextByte(char* byte) {
    if (next_ == end_) {
      if (!InterruptWatch::AwaitInput(STDIN_FILENO)) {
        interrupted_ = true;
        return -1;
      }
      const ssize_t got = read(STDIN_FILENO, bytes_, sizeof bytes_);
      if (got <= 0) return static_cast<int>(got);
      next_ = 0;
      end_ = static_cast<size_t>(got);
    }
    *byte = bytes_[next_++];
    return 1;
  }

  static unsigned char TakePaste(EditLine* editor, int) {
    std::wstring text, tail;
    bool cut = false;
    for (wchar_t c = 0, before = 0; el_wgetc(editor, &c) == 1; before = c) {
      tail.push_back(c);
      if (tail.size() > std::size(kPasteEnd) - 1) tail.erase(0, 1);
      if (tail == kPasteEnd) {
        // Of the mark the escape character was dropped, and '~' is not there yet.
        if (!cut) text.resize(text.size() - (std::size(kPasteEnd) - 1 - 2));
        while (!text.empty() && text.back() == L'\n') text.pop_back();
        if (cut) std::fprintf(stderr, "\n(the paste was cut after %zu characters)\n", kMaxPaste);
        return text.empty() || el_winsertstr(editor, text.c_str()) == 0 ? CC_REFRESH : CC_ERROR;
      }
      cut = cut || text.size() >= kMaxPaste;
      if (const wchar_t pasted = Pasted(c, before); pasted != 0 && !cut) text.push_back(pasted);
    }
    return CC_EOF;
  }

  static unsigned char InsertLineFeed(EditLine* editor, int) {
    return el_winsertstr(editor, L"\n") == 0 ? CC_REFRESH : CC_ERROR;
  }

  // Only to a terminal that knows more than lines.
  static void Say(const char* sequence) {
    const char* terminal = std::getenv("TERM");
    if (terminal == nullptr || *terminal == '\0' || std::string_view(terminal) == "dumb") return;
    std::fputs(sequence, stdout);
    std::fflush(stdout);
  }

  void Keep(const std::string& text) {
    HistEvent event;
    history(history_, &event, H_ENTER, text.c_str());
    if (history_file_.empty() || !may_save_) return;
    may_save_ = history(history_, &event, H_SAVE, history_file_.c_str()) >= 0;
    if (!may_save_) std::fprintf(stderr, "(cannot write %s)\n", history_file_.c_str());
  }

  std::string prompt_;
  const std::string history_file_;
  History* const history_;
  EditLine* const editor_;
  bool interrupted_ = false;
  bool may_save_ = true;
  char bytes_[4096];
  size_t next_ = 0, end_ = 0;  // of bytes_, what was not taken yet
};

}  // namespace

HeldInput::HeldInput() {
  termios settings;
  if (tcgetattr(STDIN_FILENO, &settings) != 0) return;
  before_ = settings;
  settings.c_lflag &= ~static_cast<tcflag_t>(ECHO | ECHONL);
  tcsetattr(STDIN_FILENO, TCSADRAIN, &settings);
}

HeldInput::~HeldInput() {
  if (before_) tcsetattr(STDIN_FILENO, TCSADRAIN, &*before_);
}

absl::StatusOr<std::unique_ptr<LineEditor>> MakeLineEditor(const std::string& prompt,
                                                           const std::string& history_file) {
  UseUtf8();
  auto lines = std::make_unique<EditedLines>(prompt, history_file);
  if (absl::Status status = lines->Load(); !status.ok()) return status;
  return lines;
}

std::string DefaultHistoryFile() {
  if (const char* state = std::getenv("XDG_STATE_HOME"); state != nullptr && *state == '/') {
    return std::string(state) + "/waferline/chat-history";
  }
  const char* home = std::getenv("HOME");
  if (home == nullptr || *home != '/') return "";
  return std::string(home) + "/.local/state/waferline/chat-history";
}

}  // namespace waferline::cli
