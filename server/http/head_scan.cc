#include "server/http/head_scan.h"

#include "absl/strings/ascii.h"

namespace waferline::http {
namespace {

// RFC 9110, 5.6.2.
bool IsTokenCharacter(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
         std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

bool IsControl(char c) { return absl::ascii_iscntrl(static_cast<unsigned char>(c)) && c != '\t'; }

}  // namespace

HeadScan::State HeadScan::Scan(std::string_view bytes) {
  if (at_ == 0 && !bytes.empty() && !IsTokenCharacter(bytes[0])) {
    return Wrong("it does not begin with a method");
  }
  for (; at_ < bytes.size(); ++at_) {
    const char c = bytes[at_];
    if (at_ == line_begins_ && at_ > 0 && (c == ' ' || c == '\t')) {
      return Wrong("a field is folded over several lines");
    }
    if (!IsControl(c)) continue;
    if (c == '\n') return Wrong("a line ends without a carriage return");
    if (c != '\r') return Wrong("it has a control character");
    if (at_ + 1 == bytes.size()) return State::kMore;  // and comes back to this one
    if (bytes[at_ + 1] != '\n') return Wrong("it has a carriage return within a line");
    const bool empty = at_ == line_begins_;
    line_begins_ = at_ + 2;
    ++at_;
    if (!empty) continue;
    ++at_;
    return State::kWhole;
  }
  return State::kMore;
}

HeadScan::State HeadScan::Wrong(const char* why) {
  why_ = why;
  return State::kWrong;
}

size_t LeadingLineEnds(std::string_view bytes) {
  size_t size = 0;
  while (bytes.substr(size).starts_with("\r\n")) size += 2;
  return size;
}

}  // namespace waferline::http
