#include "server/metering/answered_set.h"

#include <iterator>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "wafer_backend/base/strings.h"

namespace waferline::metering {

absl::StatusOr<AnsweredSet> AnsweredSet::Parse(std::string_view text) {
  AnsweredSet set;
  const std::vector<std::string> parts = absl::StrSplit(Absl(text), ',', absl::SkipEmpty());
  for (const std::string& part : parts) {
    const std::vector<std::string> ends = absl::StrSplit(part, '-');
    int64_t first = 0, last = 0;
    const bool valid = (ends.size() == 1 || ends.size() == 2) &&
                       absl::SimpleAtoi(ends.front(), &first) &&
                       absl::SimpleAtoi(ends.back(), &last) && first <= last;
    const bool after = set.ranges_.empty() || set.ranges_.rbegin()->second < first;
    if (!valid || !after) {
      return absl::InvalidArgumentError(
          absl::StrCat("'", part, "' is not a range of ordinals after those before it"));
    }
    set.ranges_[first] = last;
  }
  return set;
}

void AnsweredSet::Add(int64_t ordinal) {
  if (Contains(ordinal)) return;
  int64_t first = ordinal, last = ordinal;
  const auto next = ranges_.upper_bound(ordinal);
  if (next != ranges_.end() && next->first == ordinal + 1) {
    last = next->second;
    ranges_.erase(next);
  }
  const auto after = ranges_.upper_bound(ordinal);
  if (after != ranges_.begin() && std::prev(after)->second == ordinal - 1) {
    first = std::prev(after)->first;
  }
  ranges_[first] = last;
}

bool AnsweredSet::Contains(int64_t ordinal) const {
  const auto after = ranges_.upper_bound(ordinal);
  return after != ranges_.begin() && std::prev(after)->second >= ordinal;
}

int64_t AnsweredSet::FirstMissing() const {
  const auto first = ranges_.find(1);
  return first == ranges_.end() ? 1 : first->second + 1;
}

std::string AnsweredSet::Text() const {
  std::string text;
  for (const auto& [first, last] : ranges_) {
    absl::StrAppend(&text, text.empty() ? "" : ",", first);
    if (last > first) absl::StrAppend(&text, "-", last);
  }
  return text;
}

}  // namespace waferline::metering
