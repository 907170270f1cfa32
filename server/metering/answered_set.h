// Which of a server's requests are over: their answer was handed to the connection, or there is no
// client any more. As ranges of ordinals, so that it stays small however many there were: about one
// range a request in flight. A value; one thread at a time.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace waferline::metering {

class AnsweredSet {
 public:
  // "1-500,503": as an epoch's row keeps it. InvalidArgument.
  static absl::StatusOr<AnsweredSet> Parse(std::string_view text);

  void Add(int64_t ordinal);
  bool Contains(int64_t ordinal) const;
  int64_t FirstMissing() const;  // from 1 on
  std::string Text() const;

 private:
  std::map<int64_t, int64_t> ranges_;  // first to last; neither touch nor overlap
};

}  // namespace waferline::metering
