// Looks for a string in a text that arrives byte by byte (Knuth, Morris, Pratt 1977). A resource of
// one stream: one thread. Constant time a byte, on average over the text.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace waferline::text {

class StopFinder {
 public:
  explicit StopFinder(std::string wanted);  // not empty

  // True if the string is complete with this byte.
  bool Feed(char byte);
  // Bytes at the end of the text that the string begins with.
  size_t matched() const { return matched_; }
  // The string that is complete is part of the text; the next may begin within it.
  void Pass() { matched_ = border_[matched_]; }
  const std::string& wanted() const { return wanted_; }

 private:
  std::string wanted_;
  std::vector<size_t> border_;  // by length: of that beginning, the longest that is also its end
  size_t matched_ = 0;
};

}  // namespace waferline::text
