// A report as one HTML file that needs nothing else: no script, no style sheet, no picture from
// elsewhere. Pictures are SVG documents inside it. A value; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace waferline::cli {

class Page {
 public:
  explicit Page(std::string_view title);

  void Heading(std::string_view text);
  void Paragraph(std::string_view text);
  // A first row of names, which may all be empty; each row has at most as many cells.
  void Table(const std::vector<std::string>& names,
             const std::vector<std::vector<std::string>>& rows);
  // A text as it is (JSON, say) behind a line that opens it.
  void Document(std::string_view name, std::string_view text);
  // `svg` as Svg::Finish makes it, with a line of text below it.
  void Picture(std::string_view svg, std::string_view caption);

  std::string Finish() const;

 private:
  std::string body_;
  std::string title_;
};

}  // namespace waferline::cli
