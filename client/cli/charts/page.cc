#include "client/cli/charts/page.h"

#include "client/cli/charts/svg.h"

namespace waferline::cli {

Page::Page(std::string_view title) : title_(Escaped(title)) {}

void Page::Heading(std::string_view text) { body_ += "<h2>" + Escaped(text) + "</h2>\n"; }

void Page::Paragraph(std::string_view text) { body_ += "<p>" + Escaped(text) + "</p>\n"; }

void Page::Table(const std::vector<std::string>& names,
                 const std::vector<std::vector<std::string>>& rows) {
  body_ += "<div tabindex=\"0\" role=\"group\" aria-label=\"table\"><table><tr>";
  for (const std::string& name : names) {
    body_ += name.empty() ? "<td></td>" : "<th scope=\"col\">" + Escaped(name) + "</th>";
  }
  body_ += "</tr>\n";
  for (const std::vector<std::string>& row : rows) {
    body_ += "<tr>";
    for (const std::string& cell : row) body_ += "<td>" + Escaped(cell) + "</td>";
    body_ += "</tr>\n";
  }
  body_ += "</table></div>\n";
}

void Page::Document(std::string_view name, std::string_view text) {
  body_ += "<details><summary>" + Escaped(name) + "</summary><pre tabindex=\"0\">" + Escaped(text) +
           "</pre></details>\n";
}

void Page::Picture(std::string_view svg, std::string_view caption) {
  body_ += "<figure tabindex=\"0\">\n" + std::string(svg) + "<figcaption>" + Escaped(caption) +
           "</figcaption></figure>\n";
}

std::string Page::Finish() const {
  return "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
         "<meta name=\"viewport\" content=\"width=device-width\"><title>" +
         title_ +
         "</title>\n<style>\n"
         "body{font:15px/1.45 Helvetica,Arial,sans-serif;color:#222;max-width:980px;"
         "margin:24px auto;padding:0 12px}\n"
         "div,figure,pre{overflow-x:auto}h1,p{overflow-wrap:anywhere}\n"
         "table{border-collapse:collapse;margin:12px 0;font-size:14px}\n"
         "th{text-align:left;border-bottom:2px solid #888;padding:3px 10px}\n"
         "td{border-bottom:1px solid #ddd;padding:3px 10px;vertical-align:top}\n"
         "figure{margin:18px 0}figcaption{color:#555;font-size:13px}\n"
         "svg{max-width:100%;height:auto}\n"
         // On a phone a picture keeps its letters legible and is moved sideways.
         "@media(max-width:600px){h1{font-size:1.5em}svg{max-width:none;width:620px}}\n"
         // Pictures are drawn on white: turned to dark with their hues kept.
         "@media(prefers-color-scheme:dark){body{color:#ddd;background:#111}"
         "td{border-color:#444}figcaption{color:#aaa}svg{filter:invert(.93) hue-rotate(180deg)}}\n"
         "</style></head><body>\n<main>\n<h1>" +
         title_ + "</h1>\n" + body_ + "</main></body></html>\n";
}

}  // namespace waferline::cli
