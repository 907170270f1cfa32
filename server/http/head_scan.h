// Finds the end of a request's head in the bytes of a connection, and refuses what a parser might
// read differently from the proxy before it (RFC 9112, 2.2 and 5.2): a line that ends without CR or
// has a CR by itself, a folded field, NUL and other controls, bytes that cannot begin a method.
//
// A value; any thread. Cost: each byte is looked at once.
#pragma once

#include <cstddef>
#include <string_view>

namespace waferline::http {

class HeadScan {
 public:
  enum class State { kMore, kWhole, kWrong };

  // `bytes` are all that came so far, and begin with those of the call before.
  State Scan(std::string_view bytes);

  size_t size() const { return at_; }       // kWhole: bytes up to and with the empty line
  const char* why() const { return why_; }  // kWrong

 private:
  State Wrong(const char* why);

  size_t at_ = 0;
  size_t line_begins_ = 0;
  const char* why_ = "";
};

// How many bytes of line ends come before the request line; a server skips them (RFC 9112, 2.2).
size_t LeadingLineEnds(std::string_view bytes);

}  // namespace waferline::http
