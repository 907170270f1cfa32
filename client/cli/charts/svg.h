// Writes SVG pictures: a few shapes in pixels, from the top left, in the order of drawing. A value;
// any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace waferline::cli {

struct Point {
  double x = 0;
  double y = 0;
};

struct Box {
  double x = 0;
  double y = 0;
  double width = 0;
  double height = 0;
};

enum class Anchor { kStart, kMiddle, kEnd };

struct TextStyle {
  double size = 13;
  Anchor anchor = Anchor::kStart;
  std::string_view colour = "#222";
  bool bold = false;
  double turned_degrees = 0;  // about its own point
};

class Svg {
 public:
  // White background, sans-serif.
  Svg(double width, double height);

  // `tip` is shown when the mouse rests on the shape; empty: none.
  void Rectangle(const Box& box, std::string_view fill, std::string_view tip = "");
  void Outline(const Box& box, std::string_view stroke, double width);
  void Line(Point from, Point to, std::string_view stroke, double width = 1);
  void Polyline(const std::vector<Point>& points, std::string_view stroke, double width = 1.5);
  void Polygon(const std::vector<Point>& points, std::string_view fill);
  void Circle(Point centre, double radius, std::string_view fill, std::string_view tip = "");
  void Text(Point at, std::string_view text, const TextStyle& style = {});

  // The whole document.
  std::string Finish() const;

 private:
  void Add(std::string_view shape, std::string_view attributes, std::string_view tip);
  double width_, height_;
  std::string body_;
};

// Text for SVG and HTML, in which &, <, > and " have a meaning.
std::string Escaped(std::string_view text);

// One of a sequence of colours that stay apart, also for the colour-blind (Okabe, Ito: "Color
// Universal Design", 2008).
std::string_view SeriesColour(size_t index);
// From cool (0) to hot (1).
std::string HeatColour(double fraction);

// "0.0012", "12.5", "3.4 k", "1.2 M": three digits that matter.
std::string ShortNumber(double value);

}  // namespace waferline::cli
