// A line from a terminal, by libedit: Emacs's editing keys, history that is kept in a file, Ctrl-R
// to search it, pastes taken whole (bracketed paste; their line feeds stay in the text), Alt-Enter
// for a line feed.
//
// Owner: a command, while an InterruptWatch lives; one at a time, one thread. The terminal is in
// its ordinary mode except during Read. Bounds: kMaxHistory lines, kMaxPaste characters of a paste.
#pragma once

#include <termios.h>

#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"

namespace waferline::cli {

inline constexpr int kMaxHistory = 1000;
inline constexpr size_t kMaxHistoryBytes = size_t{64} << 20;
inline constexpr size_t kMaxPaste = size_t{1} << 20;  // the rest is dropped, with a message

class LineEditor {
 public:
  virtual ~LineEditor() = default;
  // Shows `prompt` and waits for Enter. "" after Ctrl-C, which drops the line; nothing at the end
  // of input (Ctrl-D on an empty line). The text is without its last line feed, and in the history
  // unless it is empty.
  virtual std::optional<std::string> Read() = 0;
};

// While it lives, what is typed on a terminal at stdin is kept for the next Read, and not echoed
// into what is printed meanwhile. Nothing happens if stdin is not a terminal.
class HeldInput {
 public:
  HeldInput();
  ~HeldInput();
  HeldInput(const HeldInput&) = delete;
  HeldInput& operator=(const HeldInput&) = delete;

 private:
  std::optional<termios> before_;
};

// Edits stdin on stdout, both terminals. `history_file` is read now, and written after each line,
// readable by its owner alone;
// "" keeps none. Unavailable if it cannot be read or its folder cannot be made.
absl::StatusOr<std::unique_ptr<LineEditor>> MakeLineEditor(const std::string& prompt,
                                                           const std::string& history_file);

// $XDG_STATE_HOME/waferline/chat-history, by default under ~/.local/state; "" without a home.
std::string DefaultHistoryFile();

}  // namespace waferline::cli
