#include "client/cli/frame/output.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>

#include "wafer_backend/base/command_line/stdout_text.h"
#include "wafer_backend/base/terminal_text.h"

namespace waferline::cli {

void PrintText(std::string_view text) {
  WriteStdout(isatty(STDOUT_FILENO) != 0 ? TerminalText(text) : std::string(text));
}

std::string Counted(int64_t count, std::string_view thing) {
  return fmt::format("{} {}{}", count, thing, count == 1 ? "" : "s");
}

std::string Dollars(double usd) {
  const double size = std::abs(usd);
  const int zeros = size > 0 && size < 0.01 ? -static_cast<int>(std::floor(std::log10(size))) : 1;
  return fmt::format("{:.{}f}", usd, std::min(zeros + 1, 15));
}

Table::Table(std::vector<std::string> names, std::vector<Align> align)
    : align_(std::move(align)), rows_{std::move(names)} {}

void Table::Add(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }

Table::Align Table::AlignOf(size_t column) const {
  return align_[std::min(column, align_.size() - 1)];
}

std::string Table::Text(int indent) const {
  std::vector<size_t> widths(rows_.front().size());
  for (const std::vector<std::string>& row : rows_) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const std::vector<std::string>& row : rows_) {
    std::string line(static_cast<size_t>(indent), ' ');
    for (size_t i = 0; i < row.size(); ++i) {
      if (i > 0) line += "  ";
      line += AlignOf(i) == Align::kLeft ? fmt::format("{:<{}}", row[i], widths[i])
                                         : fmt::format("{:>{}}", row[i], widths[i]);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    if (!line.empty()) text += line + "\n";
  }
  return text;
}

}  // namespace waferline::cli
