// The input of a batch: one request a line, {"custom_id", "method": "POST", "url", "body"}. Pure
// functions. Cost: one pass that parses each line; a line's body is parsed again when it is run, so
// that a batch takes no more memory than its text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/batches/batch_view.h"

namespace waferline::batches {

struct Line {
  int64_t number = 0;  // from 1
  size_t begin = 0;    // in the text
  size_t size = 0;
};

struct Input {
  std::vector<Line> lines;    // that can be run
  std::vector<Fault> faults;  // of the others
};
// InvalidArgument: no lines, or more than kMaxLines. Empty lines are skipped.
absl::StatusOr<Input> ReadInput(std::string_view text, std::string_view endpoint);

struct LineRequest {
  std::string custom_id;
  std::string body;  // JSON
};
// Of a line that ReadInput has accepted.
LineRequest ReadLine(std::string_view line);

}  // namespace waferline::batches
