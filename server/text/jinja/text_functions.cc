// What methods and filters do with text, keeping the origin of each part.
#include <algorithm>
#include <cctype>
#include <cstdio>
#include <cstring>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "server/text/jinja/builtins.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"

namespace waferline::jinja {

bool FlagArgument(const CallArguments& arguments, size_t place, std::string_view name,
                  bool otherwise) {
  const Value* given = arguments.Find(place, name);
  return given != nullptr ? Truth(*given) : otherwise;
}

absl::StatusOr<const Text*> TextArgument(const CallArguments& arguments, size_t place,
                                         std::string_view name) {
  const Value* given = arguments.Find(place, name);
  if (given == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat("needs the argument ", Absl(name)));
  }
  const Text* text = given->As<Text>();
  if (text == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat(Absl(name), " is ", Absl(TypeName(*given)), ", must be str"));
  }
  return text;
}

size_t FindBytes(std::string_view bytes, std::string_view part, size_t from) {
  if (from > bytes.size()) return std::string_view::npos;
  const void* at = memmem(bytes.data() + from, bytes.size() - from, part.data(), part.size());
  if (at == nullptr) return std::string_view::npos;
  return static_cast<size_t>(static_cast<const char*>(at) - bytes.data());
}

Text TrimText(const Text& text, std::string_view characters, bool left, bool right) {
  const std::string& bytes = text.bytes();
  size_t begin = 0, end = bytes.size();
  const auto trims = [&](size_t i) { return characters.find(bytes[i]) != std::string_view::npos; };
  while (left && begin < end && trims(begin)) ++begin;
  while (right && begin < end && trims(end - 1)) --end;
  return text.Slice(begin, end);
}

// An empty separator: runs of white space, none at either end.
List SplitText(const Text& text, std::string_view separator, int64_t max_splits) {
  const std::string& bytes = text.bytes();
  const auto left = [&](const List& parts) {
    return max_splits < 0 || static_cast<int64_t>(parts.items.size()) < max_splits;
  };
  List parts;
  size_t begin = 0;
  if (separator.empty()) {
    while ((begin = bytes.find_first_not_of(kWhiteSpace, begin)) != std::string::npos) {
      size_t end = left(parts) ? bytes.find_first_of(kWhiteSpace, begin) : std::string::npos;
      end = std::min(end, bytes.size());
      parts.items.emplace_back(text.Slice(begin, end));
      begin = end;
    }
    return parts;
  }
  while (left(parts)) {
    const size_t end = FindBytes(bytes, separator, begin);
    if (end == std::string::npos) break;
    parts.items.emplace_back(text.Slice(begin, end));
    begin = end + separator.size();
  }
  parts.items.emplace_back(text.Slice(begin, bytes.size()));
  return parts;
}

Text ReplaceText(const Text& text, const Text& from, const Text& to, int64_t max_count) {
  const std::string& bytes = text.bytes();
  Text out;
  size_t begin = 0;
  if (from.empty()) {
    for (size_t i = 0; i <= bytes.size() && max_count != 0; ++i) {
      const bool boundary =
          i == bytes.size() || (static_cast<unsigned char>(bytes[i]) & 0xc0) != 0x80;
      if (!boundary) continue;
      out.Append(text.Slice(begin, i));
      out.Append(to);
      begin = i;
      --max_count;
    }
  } else {
    for (size_t at = 0; max_count != 0; begin = at, --max_count) {
      at = FindBytes(bytes, from.bytes(), begin);
      if (at == std::string::npos) break;
      out.Append(text.Slice(begin, at));
      out.Append(to);
      at += from.size();
    }
  }
  out.Append(text.Slice(begin, bytes.size()));
  return out;
}

// ASCII letters only: templates change the case of roles and types, not of what users write.
Text MapBytes(const Text& text, std::string_view how) {
  std::string bytes = text.bytes();
  bool in_word = false;
  const auto word_starts = [](char before) {
    return std::string_view("-({[< \t\n\r\f\v").find(before) != std::string_view::npos;
  };
  for (size_t i = 0; i < bytes.size(); ++i) {
    const auto c = static_cast<unsigned char>(bytes[i]);
    const bool upper = how == "upper" || (how == "capitalize" && i == 0) ||
                       (how == "title" && !in_word) ||
                       (how == "title words" && (i == 0 || word_starts(bytes[i - 1])));
    bytes[i] = static_cast<char>(upper ? absl::ascii_toupper(c) : absl::ascii_tolower(c));
    in_word = absl::ascii_isalpha(c);
  }
  return text.WithBytes(std::move(bytes));
}

absl::StatusOr<Text> FormatPercent(const Text& format, const Value& values) {
  const List* list = values.As<List>();
  const bool several = list != nullptr && list->tuple;
  const std::string& bytes = format.bytes();
  Text out;
  size_t used = 0, begin = 0;
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (bytes[i] != '%') continue;
    out.Append(format.Slice(begin, i));
    size_t end = i + 1;
    while (end < bytes.size() &&
           std::string_view("0123456789.-+ ").find(bytes[end]) != std::string_view::npos) {
      ++end;
    }
    const char conversion = end < bytes.size() ? bytes[end] : '\0';
    const std::string spec = bytes.substr(i + 1, end - i - 1);
    begin = end + 1;
    i = end;
    if (conversion == '%') {
      out.Append("%");
      continue;
    }
    if (several ? used >= list->items.size() : used >= 1) {
      return absl::InvalidArgumentError("'%' has fewer values than its format asks for");
    }
    const Value& value = several ? list->items[used] : values;
    ++used;
    char number[64];
    if (spec.size() > 8 ||
        (spec.find_first_of("0123456789") != std::string::npos && std::atoi(spec.c_str()) > 50)) {
      return absl::InvalidArgumentError("'%' has a width above 50");
    }
    if (conversion == 's' && spec.empty()) {
      out.Append(Print(value));
    } else if (conversion == 'd' && value.is_number()) {
      std::snprintf(number, sizeof(number), ("%" + spec + "lld").c_str(),
                    static_cast<long long>(AsDouble(value)));
      out.Append(number);
    } else if ((conversion == 'f' || conversion == 'g' || conversion == 'e') && value.is_number()) {
      std::snprintf(number, sizeof(number), ("%" + spec + conversion).c_str(), AsDouble(value));
      out.Append(number);
    } else {
      return absl::InvalidArgumentError(absl::StrCat("'%", spec, std::string(1, conversion),
                                                     "' cannot print ", Absl(TypeName(value))));
    }
  }
  const size_t given = several ? list->items.size() : list != nullptr || values.As<Dict>() ? 0 : 1;
  if (used < given)
    return absl::InvalidArgumentError("'%' has more values than its format asks for");
  out.Append(format.Slice(begin, bytes.size()));
  return out;
}

}  // namespace waferline::jinja
