// A progress bar on stderr: redrawn in place at most ten times a second, only if stderr is a
// terminal (nothing is written otherwise). Thread: one at a time.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace waferline::cli {

class Progress {
 public:
  // `total` 0: how much there is to do is not known; only the count is shown.
  Progress(std::string what, int64_t total);
  // As above, with the choice of whether to draw at all (--json and tests: false).
  Progress(std::string what, int64_t total, bool draw);
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  ~Progress();  // clears the line

  // `note` stands behind the bar: "1234 tokens/s".
  void Show(int64_t done, std::string_view note = {});

  // The line as drawn, without control characters, at most `columns` wide.
  std::string Line(int64_t done, std::string_view note, int columns) const;

 private:
  const std::string what_;
  const int64_t total_;
  const bool draw_;
  bool drawn_ = false;
  std::chrono::steady_clock::time_point next_draw_;
};

}  // namespace waferline::cli
