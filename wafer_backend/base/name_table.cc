#include "wafer_backend/base/name_table.h"

#include <algorithm>
#include <cstddef>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/strings.h"

namespace waferline {
namespace {

constexpr size_t kMaxGivenBytes = 64;  // longer text is not a misspelling, and is cut in messages

std::string SnakeCase(std::string_view name) {
  std::string snake(name);
  std::replace(snake.begin(), snake.end(), '-', '_');
  return snake;
}

// Insertions, deletions and replacements that turn `a` into `b`.
size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i + 1;
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, diagonal + 1});
    }
  }
  return row.back();
}

}  // namespace

bool IsName(std::string_view given, std::string_view name) {
  return SnakeCase(given) == SnakeCase(name);
}

std::string_view NearestName(std::string_view given, std::span<const std::string_view> allowed) {
  if (given.empty() || given.size() > kMaxGivenBytes) return {};
  const std::string snake = SnakeCase(given);
  std::string_view nearest;
  size_t nearest_distance = snake.size() / 4 + 2;  // one edit, and one more for each four letters
  for (const std::string_view name : allowed) {
    const bool part = snake.size() >= 3 && SnakeCase(name).find(snake) != std::string::npos;
    const size_t distance = part ? 1 : EditDistance(snake, SnakeCase(name));
    if (distance < nearest_distance) {
      nearest = name;
      nearest_distance = distance;
    }
  }
  return nearest;
}

std::string DidYouMean(std::string_view given, std::span<const std::string_view> allowed,
                       std::string_view prefix) {
  const std::string_view nearest = NearestName(given, allowed);
  if (nearest.empty()) return "";
  return absl::StrCat("; did you mean '", Absl(prefix), Absl(nearest), "'?");
}

std::string MustBeOneOf(std::string_view given, std::span<const std::string_view> allowed) {
  std::string message = "must be one of: ";
  for (const std::string_view name : allowed) {
    absl::StrAppend(&message, name == allowed.front() ? "" : ", ", Absl(name));
  }
  return message + DidYouMean(given, allowed);
}

std::string NotOneOf(std::string_view given, std::span<const std::string_view> allowed) {
  const std::string what = given.empty()
                               ? "is missing"
                               : absl::StrCat("is \"", Absl(given.substr(0, kMaxGivenBytes)), "\"");
  return absl::StrCat(what, ", ", MustBeOneOf(given, allowed));
}

}  // namespace waferline
