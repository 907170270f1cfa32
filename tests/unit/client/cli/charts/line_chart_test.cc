#include "client/cli/charts/line_chart.h"

#include <catch2/catch.hpp>

#include "client/cli/charts/page.h"

namespace waferline::cli {
namespace {

size_t Count(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

TEST_CASE("lines, a band, a limit and a row of spans are drawn inside the picture") {
  LineChart chart{.title = "t", .x_label = "x", .y_label = "y"};
  chart.series = {{"a", {{0, 1}, {10, 5}}}, {"b", {{0, 2}, {10, 3}}, true}};
  chart.bands = {{"p", {{0, 0}, {10, 1}}, {{0, 3}, {10, 9}}}};
  chart.limits = {{"top", 8}};
  chart.rows = {{"row", {{0, 5, "left", 0}, {5, 10, "right & last", 1}}}};
  const std::string svg = DrawLines(chart);
  REQUIRE(Count(svg, "stroke-width=\"2\"") == 2);
  REQUIRE(Count(svg, "<polygon") == 1);
  REQUIRE(Count(svg, "<circle") == 2);
  REQUIRE(Count(svg, "right &amp; last") == 2);  // its text and its tip
  REQUIRE(Count(svg, "nan") == 0);
  REQUIRE(Count(svg, "=\"-") == 0);  // nothing to the left of the picture or above it
}

TEST_CASE("no point, one point and equal points are drawn too") {
  REQUIRE(Count(DrawLines({.title = "t"}), "no data") == 1);
  REQUIRE(Count(DrawSpans({.title = "t"}), "no data") == 1);
  for (const double y : {0.0, 7.0, -7.0}) {
    const std::string svg = DrawLines({.title = "t", .series = {{"a", {{3, y}}}}});
    REQUIRE(Count(svg, "nan") == 0);
    REQUIRE(Count(svg, "inf") == 0);
  }
}

TEST_CASE("a page escapes what it is given and needs nothing else") {
  Page page("a < b");
  page.Paragraph("<script>");
  page.Table({"x & y"}, {{"1"}, {"\"2\""}});
  page.Picture(DrawSpans({.title = "t"}), "below");
  const std::string html = page.Finish();
  REQUIRE(Count(html, "<script") == 0);
  REQUIRE(Count(html, "a &lt; b") == 2);
  REQUIRE(Count(html, "x &amp; y") == 1);
  REQUIRE(Count(html, "<svg") == 1);
  REQUIRE(Count(html, "http") == 1);  // the namespace of SVG
}

}  // namespace
}  // namespace waferline::cli
