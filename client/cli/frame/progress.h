// A progress bar on stderr, with the time that is left at the mean pace so far: redrawn in place at
// most ten times a second, only if stderr is a terminal (nothing is written otherwise). Thread: one
// at a time.
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

  // `note` stands behind the bar: "1234 tokens".
  void Show(int64_t done, std::string_view note = {});

  // The line as drawn, without control characters, at most `columns` wide.
  std::string Line(int64_t done, std::string_view note, int columns) const;

  // "12 s", "3 min 20 s", "1 h 5 min": what is left of `total` when `done` took `elapsed`; empty as
  // long as nothing is done or the total is not known.
  static std::string TimeLeft(int64_t done, int64_t total, std::chrono::duration<double> elapsed);

 private:
  const std::string what_;
  const int64_t total_;
  const bool draw_;
  const std::chrono::steady_clock::time_point begun_ = std::chrono::steady_clock::now();
  bool drawn_ = false;
  std::chrono::steady_clock::time_point next_draw_;
};

}  // namespace waferline::cli
