#pragma once

#include <algorithm>
#include <ctime>
#include <limits>

namespace waferline {

// The least processor time in seconds that `work` takes in five calls. For tests of how time grows
// with the input: page faults and a busy machine lengthen single calls, never all of them, while
// quadratic work is slow each time.
template <typename Work>
double LeastSeconds(const Work& work) {
  double least = std::numeric_limits<double>::infinity();
  for (int i = 0; i < 5; ++i) {
    const std::clock_t start = std::clock();  // of this process: others do not count
    work();
    least = std::min(least, static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC);
  }
  return least;
}

}  // namespace waferline
