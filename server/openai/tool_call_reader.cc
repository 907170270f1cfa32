#include "server/openai/tool_call_reader.h"

#include <algorithm>
#include <utility>

namespace waferline::openai {
namespace {

// How much of the end of `text` `mark` begins with.
size_t Overlap(std::string_view text, std::string_view mark) {
  for (size_t n = std::min(text.size(), mark.size()); n > 0; --n) {
    if (text.ends_with(mark.substr(0, n))) return n;
  }
  return 0;
}

}  // namespace

std::vector<ToolCallReader::Part> ToolCallReader::Feed(std::string_view text) {
  held_ += text;
  std::vector<Part> parts;
  bool more = true;
  while (more) {
    switch (state_) {
      case State::kText:
        more = ReadText(&parts);
        break;
      case State::kName: {
        const size_t end = held_.find(form_.middle);
        more = end != std::string::npos;
        if (!more) break;
        parts.push_back({Part::kCall, held_.substr(0, end)});
        ++calls_;
        held_.erase(0, end + form_.middle.size());
        state_ = State::kArguments;
        depth_ = 0;
        break;
      }
      case State::kArguments:
        more = ReadArguments(&parts);
        break;
      case State::kBehind: {
        const size_t head = held_.find(form_.head);
        more = head != std::string::npos;
        if (!more) break;
        held_.erase(0, head + form_.head.size());
        state_ = State::kName;
        break;
      }
    }
  }
  return parts;
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
  if (state_ == State::kText && !held_.empty()) {
    parts.push_back({Part::kText, std::exchange(held_, {})});
  }
  return parts;
}

}  // namespace waferline::openai
