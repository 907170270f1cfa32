// What commands print on stdout: formatted text and tables whose columns are as wide as what is in
// them. One thread at a time. A failed write is noticed by RunProgram, which ends with exit code 1.
#pragma once

#include <fmt/core.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace waferline::cli {

// To a terminal without control characters (terminal_text.h): a server's text may be in it. To a
// file or a pipe as it is.
void PrintText(std::string_view text);

template <typename... Values>
void Print(fmt::format_string<Values...> text, Values&&... values) {
  PrintText(fmt::format(text, std::forward<Values>(values)...));
}

// "2 users", "1 user".
std::string Counted(int64_t count, std::string_view thing);

// "12.30"; below a cent with two digits that are not zero: "0.0031".
std::string Dollars(double usd);

class Table {
 public:
  enum class Align : bool { kLeft, kRight };
  // A first row of column names; empty names make no first row. One alignment a column, the last
  // one for all that follow.
  explicit Table(std::vector<std::string> names,
                 std::vector<Align> align = {Align::kLeft, Align::kRight});

  // At most as many cells as there are names.
  void Add(std::vector<std::string> cells);
  // Each line begins with `indent` spaces.
  std::string Text(int indent = 2) const;
  void Print(int indent = 2) const { PrintText(Text(indent)); }

 private:
  Align AlignOf(size_t column) const;

  const std::vector<Align> align_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace waferline::cli
