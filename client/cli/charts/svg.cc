#include "client/cli/charts/svg.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstring>

namespace waferline::cli {
namespace {

// Two decimals of a pixel, no trailing zeros.
std::string Px(double value) {
  char text[32];
  snprintf(text, sizeof text, "%.2f", value);
  std::string out = text;
  out.erase(out.find_last_not_of('0') + 1);
  if (out.back() == '.') out.pop_back();
  return out == "-0" ? "0" : out;
}

std::string Attribute(std::string_view name, std::string_view value) {
  return " " + std::string(name) + "=\"" + std::string(value) + "\"";
}

std::string BoxAttributes(const Box& box) {
  return Attribute("x", Px(box.x)) + Attribute("y", Px(box.y)) + Attribute("width", Px(box.width)) +
         Attribute("height", Px(box.height));
}

}  // namespace

std::string Escaped(std::string_view text) {
  std::string out;
  for (char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

Svg::Svg(double width, double height) : width_(width), height_(height) {
  Rectangle({0, 0, width, height}, "#fff");
}

void Svg::Add(std::string_view shape, std::string_view attributes, std::string_view tip) {
  body_ += "<" + std::string(shape) + std::string(attributes);
  body_ +=
      tip.empty() ? "/>\n" : "><title>" + Escaped(tip) + "</title></" + std::string(shape) + ">\n";
}

void Svg::Rectangle(const Box& box, std::string_view fill, std::string_view tip) {
  Add("rect", BoxAttributes(box) + Attribute("fill", fill), tip);
}

void Svg::Outline(const Box& box, std::string_view stroke, double width) {
  Add("rect",
      BoxAttributes(box) + Attribute("fill", "none") + Attribute("stroke", stroke) +
          Attribute("stroke-width", Px(width)),
      "");
}

void Svg::Line(Point from, Point to, std::string_view stroke, double width) {
  Polyline({from, to}, stroke, width);
}

void Svg::Polyline(const std::vector<Point>& points, std::string_view stroke, double width) {
  std::string list;
  for (const Point& p : points) list += (list.empty() ? "" : " ") + Px(p.x) + "," + Px(p.y);
  Add("polyline",
      Attribute("points", list) + Attribute("fill", "none") + Attribute("stroke", stroke) +
          Attribute("stroke-width", Px(width)),
      "");
}

void Svg::Polygon(const std::vector<Point>& points, std::string_view fill) {
  std::string path;
  for (const Point& p : points) path += (path.empty() ? "" : " ") + Px(p.x) + "," + Px(p.y);
  Add("polygon", Attribute("points", path) + Attribute("fill", fill), "");
}

void Svg::Circle(Point centre, double radius, std::string_view fill, std::string_view tip) {
  Add("circle",
      Attribute("cx", Px(centre.x)) + Attribute("cy", Px(centre.y)) + Attribute("r", Px(radius)) +
          Attribute("fill", fill),
      tip);
}

void Svg::Text(Point at, std::string_view text, const TextStyle& style) {
  constexpr std::array<std::string_view, 3> kAnchors = {"start", "middle", "end"};
  body_ += "<text" + Attribute("x", Px(at.x)) + Attribute("y", Px(at.y)) +
           Attribute("font-size", Px(style.size)) +
           Attribute("text-anchor", kAnchors[static_cast<size_t>(style.anchor)]) +
           Attribute("fill", style.colour);
  if (style.bold) body_ += Attribute("font-weight", "bold");
  if (style.turned_degrees != 0) {
    body_ += Attribute(
        "transform", "rotate(" + Px(style.turned_degrees) + " " + Px(at.x) + " " + Px(at.y) + ")");
  }
  body_ += ">" + Escaped(text) + "</text>\n";
}

std::string Svg::Finish() const {
  return "<svg xmlns=\"http://www.w3.org/2000/svg\"" + Attribute("width", Px(width_)) +
         Attribute("height", Px(height_)) +
         Attribute("viewBox", "0 0 " + Px(width_) + " " + Px(height_)) +
         Attribute("font-family", "Helvetica, Arial, sans-serif") + ">\n" + body_ + "</svg>\n";
}

std::string_view SeriesColour(size_t index) {
  constexpr std::array<std::string_view, 8> kColours = {"#0072b2", "#e69f00", "#009e73", "#cc79a7",
                                                        "#56b4e9", "#d55e00", "#f0e442", "#999999"};
  return kColours[index % kColours.size()];
}

std::string HeatColour(double fraction) {
  const double f = std::clamp(std::isfinite(fraction) ? fraction : 0.0, 0.0, 1.0);
  // Darker all the way, and the coolest is still told from an empty wafer.
  constexpr std::array<std::array<int, 3>, 3> kStops = {
      {{0xff, 0xe0, 0x94}, {0xef, 0x7f, 0x3a}, {0x9c, 0x15, 0x1f}}};
  const size_t from = f < 0.5 ? 0 : 1;
  const double along = 2 * f - static_cast<double>(from);
  const auto mix = [&](size_t channel) {
    const int cool = kStops[from][channel], hot = kStops[from + 1][channel];
    return static_cast<unsigned>(std::lround(cool + (hot - cool) * along));
  };
  char text[16];
  snprintf(text, sizeof text, "#%02x%02x%02x", mix(0), mix(1), mix(2));
  return text;
}

std::string ShortNumber(double value) {
  const double size = std::abs(value);
  const char* suffix = "";
  double shown = value;
  if (size >= 1e12) return shown > 0 ? ">1e12" : "<-1e12";
  if (size >= 1e9)
    shown = value / 1e9, suffix = " G";
  else if (size >= 1e6)
    shown = value / 1e6, suffix = " M";
  else if (size >= 1e4)
    shown = value / 1e3, suffix = " k";
  char text[48];
  snprintf(text, sizeof text, std::abs(shown) >= 999.5 ? "%.0f%s" : "%.3g%s", shown, suffix);
  return text;
}

}  // namespace waferline::cli
