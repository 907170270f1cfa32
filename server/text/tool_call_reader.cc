#include "server/text/tool_call_reader.h"

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <boost/json/string.hpp>
#include <utility>

namespace waferline::text {
namespace {

// How much of the end of `text` `mark` begins with.
size_t Overlap(std::string_view text, std::string_view mark) {
  for (size_t n = std::min(text.size(), mark.size()); n > 0; --n) {
    if (text.ends_with(mark.substr(0, n))) return n;
  }
  return 0;
}

std::string Quoted(std::string_view text) {
  return boost::json::serialize(boost::json::string(text.data(), text.size()));
}

}  // namespace

std::vector<ToolCallReader::Part> ToolCallReader::Feed(std::string_view text) {
  held_ += text;
  std::vector<Part> parts;
  while (Read(&parts)) continue;
  return parts;
}

// True: there may be more to read.
bool ToolCallReader::Read(std::vector<Part>* parts) {
  switch (state_) {
    case State::kText:
      return ReadText(parts);
    case State::kName:
      return ReadName(parts);
    case State::kArguments:
      return ReadArguments(parts);
    case State::kKeyOrEnd:
      return ReadKeyOrEnd(parts);
    case State::kKey:
      return ReadKey(parts);
    case State::kValue:
      return form_.python ? ReadPythonValue(parts) : ReadValue(parts);
    case State::kBehind:
      break;
  }
  const std::string mark = form_.between + form_.head;
  const size_t head = held_.find(mark);
  if (form_.one_call || head == std::string::npos) return false;
  held_.erase(0, head + mark.size());
  state_ = State::kName;
  return true;
}

bool ToolCallReader::ReadName(std::vector<Part>* parts) {
  const size_t end = held_.find(form_.middle);
  if (end == std::string::npos) return false;
  function_ = held_.substr(0, end);
  parts->push_back({Part::kCall, function_});
  ++calls_;
  held_.erase(0, end + form_.middle.size());
  depth_ = 0;
  state_ = form_.tagged() ? State::kKeyOrEnd : State::kArguments;
  if (form_.tagged()) parts->push_back({Part::kArguments, "{"});
  first_key_ = true;
  return true;
}

bool ToolCallReader::ReadKeyOrEnd(std::vector<Part>* parts) {
  const auto takes = [this](const std::string& mark) {
    if (!held_.starts_with(mark)) return false;
    held_.erase(0, mark.size());
    return true;
  };
  if (held_.empty()) return false;
  if (takes(form_.tail)) {
    parts->push_back({Part::kArguments, "}"});
    state_ = State::kBehind;
    return true;
  }
  if ((!first_key_ && !takes(form_.separator)) || !takes(form_.key_begin)) return false;
  state_ = State::kKey;
  return true;
}

bool ToolCallReader::ReadKey(std::vector<Part>* parts) {
  const size_t end = held_.find(form_.key_end);
  if (end == std::string::npos) return false;
  const std::string key = held_.substr(0, end);
  held_.erase(0, end + form_.key_end.size());
  bare_ = form_.IsBare(function_, key);
  std::string text = std::exchange(first_key_, false) ? "" : ", ";
  text += Quoted(key);
  parts->push_back({Part::kArguments, text + (bare_ ? ": \"" : ": ")});
  in_string_ = escaped_ = false;
  state_ = State::kValue;
  return true;
}

bool ToolCallReader::ReadValue(std::vector<Part>* parts) {
  const size_t end = EndOfValue();
  const bool whole = std::string_view(held_).substr(end).starts_with(form_.value_end);
  std::string text = held_.substr(0, end);
  held_.erase(0, end + (whole ? form_.value_end.size() : 0));
  for (const char c : text) {
    // Where a JSON value's strings begin and end.
    if (bare_ || std::exchange(escaped_, false)) continue;
    escaped_ = in_string_ && c == '\\';
    in_string_ ^= c == '"';
  }
  if (bare_) {
    const std::string quoted = Quoted(text);
    text = quoted.substr(1, quoted.size() - 2);
    if (whole) text += '"';
  }
  if (!text.empty()) parts->push_back({Part::kArguments, std::move(text)});
  if (whole) state_ = State::kKeyOrEnd;
  return whole;
}

// Up to the separator or the tail that is in no bracket and in no string.
bool ToolCallReader::ReadPythonValue(std::vector<Part>* parts) {
  std::string value;
  size_t i = 0;
  for (; i < held_.size(); ++i) {
    const char c = held_[i];
    if (in_string_) {
      value += c;
      if (std::exchange(escaped_, false)) continue;
      escaped_ = c == '\\';
      in_string_ = c != '"';
    } else if (skip_ > 0) {
      --skip_;
    } else if (c == 'T' || c == 'F' || c == 'N') {
      value += c == 'T' ? "true" : c == 'F' ? "false" : "null";
      skip_ = c == 'F' ? 4 : 3;
    } else if (depth_ == 0 && (c == form_.separator[0] || c == form_.tail[0])) {
      break;
    } else {
      value += c;
      in_string_ = c == '"';
      depth_ += c == '[' || c == '{' ? 1 : c == ']' || c == '}' ? -1 : 0;
    }
  }
  const bool whole = i < held_.size();
  held_.erase(0, i);
  if (!value.empty()) parts->push_back({Part::kArguments, std::move(value)});
  if (whole) state_ = State::kKeyOrEnd;
  return whole;
}

// Where the value's end begins, or may begin; a mark in a JSON string is none.
size_t ToolCallReader::EndOfValue() const {
  bool in_string = in_string_, escaped = escaped_;
  for (size_t i = 0; i < held_.size(); ++i) {
    const std::string_view rest = std::string_view(held_).substr(i);
    if (!in_string && (rest.starts_with(form_.value_end) || form_.value_end.starts_with(rest))) {
      return i;
    }
    if (bare_ || std::exchange(escaped, false)) continue;
    escaped = in_string && held_[i] == '\\';
    in_string ^= held_[i] == '"';
  }
  return held_.size();
}

bool ToolCallReader::ReadText(std::vector<Part>* parts) {
  const std::string mark = form_.begin + form_.head;
  const bool possible = !form_.only_alone || !any_text_;
  const size_t found = possible ? held_.find(mark) : std::string::npos;
  const bool calls = found != std::string::npos && (!form_.only_alone || found == 0);
  size_t shown = calls ? found : held_.size() - (possible ? Overlap(held_, mark) : 0);
  while (shown > 0 &&
         std::string_view(" \n\r\t").find(held_[shown - 1]) != std::string_view::npos) {
    --shown;
  }
  if (shown > 0) {
    parts->push_back({Part::kText, held_.substr(0, shown)});
    any_text_ = true;
  }
  if (!calls) {
    held_.erase(0, shown);
    return false;
  }
  held_.erase(0, found + mark.size());
  state_ = State::kName;
  return true;
}

// Until the JSON object of the arguments is closed.
bool ToolCallReader::ReadArguments(std::vector<Part>* parts) {
  for (size_t i = 0; i < held_.size(); ++i) {
    const char c = held_[i];
    if (in_string_) {
      if (!std::exchange(escaped_, false)) {
        escaped_ = c == '\\';
        in_string_ = c != '"';
      }
      continue;
    }
    in_string_ = c == '"';
    if (c == '{' || c == '[') ++depth_;
    if ((c != '}' && c != ']') || --depth_ > 0) continue;
    parts->push_back({Part::kArguments, held_.substr(0, i + 1)});
    held_.erase(0, i + 1);
    state_ = State::kBehind;
    return true;
  }
  if (!held_.empty()) parts->push_back({Part::kArguments, std::exchange(held_, {})});
  return false;
}

std::vector<ToolCallReader::Part> ToolCallReader::Finish() {
  std::vector<Part> parts;
  if (state_ != State::kText || forced_) return parts;
  // The beginning of a call, up to which white space may be held.
  const size_t call = form_.opening.empty() ? std::string::npos : held_.find(form_.opening);
  if (call == std::string::npos && !held_.empty()) {
    parts.push_back({Part::kText, std::exchange(held_, {})});
  }
  return parts;
}

}  // namespace waferline::text
