#include "client/sdk/sse_parser.h"

#include <utility>

namespace waferline::sdk {

absl::Status SseParser::Feed(std::string_view bytes,
                             const std::function<void(std::string_view)>& on_data) {
  while (!bytes.empty()) {
    if (after_cr_ && bytes.front() == '\n') bytes.remove_prefix(1);
    after_cr_ = false;
    const size_t end = bytes.find_first_of("\r\n");
    line_.append(bytes.substr(0, end));
    if (line_.size() + data_.size() > kMaxEventBytes) {
      return absl::ResourceExhaustedError("an event of the stream is longer than 4 MiB");
    }
    if (end == std::string_view::npos) break;
    after_cr_ = bytes[end] == '\r';
    bytes.remove_prefix(end + 1);
    Line(line_, on_data);
    line_.clear();
  }
  return absl::OkStatus();
}

void SseParser::Line(std::string_view line, const std::function<void(std::string_view)>& on_data) {
  constexpr std::string_view kMark = "\xEF\xBB\xBF";
  if (std::exchange(first_line_, false) && line.starts_with(kMark)) {
    line.remove_prefix(kMark.size());
  }
  if (line.empty()) {
    if (!data_.empty()) {
      data_.pop_back();
      on_data(data_);
      data_.clear();
    }
    return;
  }
  constexpr std::string_view kData = "data";
  if (!line.starts_with(kData)) return;
  line.remove_prefix(kData.size());
  if (!line.empty() && line.front() != ':') return;
  if (!line.empty()) line.remove_prefix(1);
  if (!line.empty() && line.front() == ' ') line.remove_prefix(1);
  data_.append(line).push_back('\n');
}

}  // namespace waferline::sdk
