#include "client/cli/frame/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <utility>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/strings.h"

namespace waferline::cli {
namespace {

constexpr int kBarColumns = 28;
constexpr std::chrono::milliseconds kRedraw{100};

int TerminalColumns() {
  winsize size{};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

}  // namespace

Progress::Progress(std::string what, int64_t total)
    : Progress(std::move(what), total, isatty(STDERR_FILENO) == 1) {}

Progress::Progress(std::string what, int64_t total, bool draw)
    : what_(std::move(what)), total_(total), draw_(draw && isatty(STDERR_FILENO) == 1) {}

Progress::~Progress() {
  if (drawn_) fputs("\r\033[K", stderr);
}

void Progress::Show(int64_t done, std::string_view note) {
  if (!draw_) return;
  const auto now = std::chrono::steady_clock::now();
  if (drawn_ && now < next_draw_) return;
  next_draw_ = now + kRedraw;
  drawn_ = true;
  std::string behind(note);
  if (const std::string left = TimeLeft(done, total_, now - begun_); !left.empty()) {
    behind += (behind.empty() ? "" : ", ") + left + " left";
  }
  const std::string line = Line(done, behind, TerminalColumns() - 1);
  fprintf(stderr, "\r\033[K%s", line.c_str());
  fflush(stderr);
}

std::string Progress::Line(int64_t done, std::string_view note, int columns) const {
  std::string line = what_ + " ";
  if (total_ > 0) {
    const int64_t filled = std::clamp<int64_t>(done * kBarColumns / total_, 0, kBarColumns);
    absl::StrAppend(&line, "[", std::string(filled, '#'), std::string(kBarColumns - filled, '.'),
                    "] ", done, "/", total_);
  } else {
    absl::StrAppend(&line, done);
  }
  if (!note.empty()) absl::StrAppend(&line, "  ", Absl(note));
  return line.substr(0, std::max(columns, 0));
}

std::string Progress::TimeLeft(int64_t done, int64_t total, std::chrono::duration<double> elapsed) {
  if (done <= 0 || total <= 0) return "";
  const double left = elapsed.count() * static_cast<double>(std::max<int64_t>(0, total - done)) /
                      static_cast<double>(done);
  const auto seconds = static_cast<int64_t>(std::min(std::ceil(left), 1e9));
  if (seconds < 100) return absl::StrCat(seconds, " s");
  if (seconds < 3600) return absl::StrCat(seconds / 60, " min ", seconds % 60, " s");
  return absl::StrCat(seconds / 3600, " h ", seconds / 60 % 60, " min");
}

}  // namespace waferline::cli
