#include "client/cli/frame/arguments.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "wafer_backend/base/check.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"

namespace waferline::cli {
namespace {

// Levenshtein distance, one row at a time.
size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i);
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t changed = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({changed, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

std::string Range(const Flag& flag) { return absl::StrCat("from ", flag.least, " to ", flag.most); }

absl::Status CheckValue(const Flag& flag, const std::string& value) {
  double number = 0;
  if (flag.kind == Flag::Kind::kInteger) {
    int64_t integer = 0;
    if (!absl::SimpleAtoi(value, &integer)) {
      return UsageError(absl::StrCat("--", flag.name, " wants a whole number ", Range(flag),
                                     ", not '", value, "'"));
    }
    number = static_cast<double>(integer);
  } else if (flag.kind == Flag::Kind::kNumber) {
    if (!absl::SimpleAtod(value, &number) || !std::isfinite(number)) {
      return UsageError(
          absl::StrCat("--", flag.name, " wants a number ", Range(flag), ", not '", value, "'"));
    }
  } else {
    return absl::OkStatus();
  }
  if (number < flag.least || number > flag.most) {
    return UsageError(
        absl::StrCat("--", flag.name, " wants a number ", Range(flag), ", not ", value));
  }
  return absl::OkStatus();
}

absl::Status CheckOperandCount(const Command& command, const std::vector<std::string>& operands) {
  size_t least = 0;
  size_t most = command.operands.size();
  for (const std::string& name : command.operands) {
    if (name.ends_with("...")) {
      most = std::string::npos;
    } else if (name.front() != '[') {
      ++least;
    }
  }
  if (operands.size() < least) {
    return UsageError(absl::StrCat(command.words, " wants ", command.operands[operands.size()]));
  }
  if (operands.size() > most) {
    return UsageError(absl::StrCat(command.words, " does not know what to do with '",
                                   operands[most], "' (flags begin with --)"));
  }
  return absl::OkStatus();
}

}  // namespace

std::string Nearest(std::string_view word, std::span<const std::string> known) {
  std::string best;
  size_t best_distance = std::max<size_t>(2, word.size() / 3) + 1;
  for (const std::string& candidate : known) {
    const bool completes = !word.empty() && candidate.starts_with(word);
    const size_t distance = completes ? 1 : EditDistance(word, candidate);
    if (distance < best_distance) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

absl::StatusOr<Arguments> Arguments::Parse(const Command& command,
                                           std::span<const std::string> words) {
  Arguments result;
  std::vector<std::string> names;
  for (const Flag& flag : command.flags) {
    result.flags_[flag.name] = {.flag = flag};
    names.push_back(flag.name);
  }
  if (result.flags_.emplace("json", Given{.flag = Switch("json", "")}).second) {
    names.push_back("json");
  }

  bool only_operands = false;
  for (size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (only_operands || !word.starts_with("-") || word == "-") {
      result.operands_.push_back(word);
      continue;
    }
    if (word == "--") {
      only_operands = true;
      continue;
    }
    const size_t equals = word.find('=');
    const std::string name = word.substr(0, equals);
    const auto found = name.starts_with("--") ? result.flags_.find(std::string_view(name).substr(2))
                                              : result.flags_.end();
    if (found == result.flags_.end()) {
      const std::string nearest = Nearest(name.substr(name.find_first_not_of('-')), names);
      return UsageError(
          absl::StrCat(command.words, " has no flag ", name,
                       nearest.empty() ? "" : absl::StrCat("; is --", nearest, " meant?")));
    }
    Given& given = found->second;
    given.present = true;
    if (given.flag.kind == Flag::Kind::kSwitch) {
      if (equals != std::string::npos) {
        return UsageError(absl::StrCat(name, " takes no value"));
      }
      continue;
    }
    if (equals == std::string::npos && i + 1 == words.size()) {
      return UsageError(absl::StrCat(name, " wants a value: ", name, " ", given.flag.value));
    }
    const std::string value = equals == std::string::npos ? words[++i] : word.substr(equals + 1);
    WL_RETURN_IF_ERROR(CheckValue(given.flag, value));
    given.values.push_back(value);
  }
  WL_RETURN_IF_ERROR(CheckOperandCount(command, result.operands_));
  return result;
}

const Arguments::Given& Arguments::Find(std::string_view flag) const {
  const auto found = flags_.find(flag);
  WL_CHECK(found != flags_.end());
  return found->second;
}

bool Arguments::Has(std::string_view flag) const { return Find(flag).present; }

bool Arguments::On(std::string_view flag) const {
  const Given& given = Find(flag);
  WL_CHECK(given.flag.kind == Flag::Kind::kSwitch);
  return given.present;
}

const std::string& Arguments::Text(std::string_view flag) const {
  const Given& given = Find(flag);
  if (!given.values.empty()) return given.values.back();
  WL_CHECK(given.flag.fallback.has_value());
  return *given.flag.fallback;
}

int64_t Arguments::Integer(std::string_view flag) const {
  int64_t value = 0;
  WL_CHECK(Find(flag).flag.kind == Flag::Kind::kInteger);
  WL_CHECK(absl::SimpleAtoi(Text(flag), &value));
  return value;
}

double Arguments::Number(std::string_view flag) const {
  double value = 0;
  WL_CHECK(Find(flag).flag.kind == Flag::Kind::kNumber);
  WL_CHECK(absl::SimpleAtod(Text(flag), &value));
  return value;
}

std::vector<std::string> Arguments::Texts(std::string_view flag) const {
  const Given& given = Find(flag);
  if (given.values.empty() && given.flag.fallback) return {*given.flag.fallback};
  return given.values;
}

}  // namespace waferline::cli
