#include "client/cli/charts/placement_chart.h"

#include <algorithm>
#include <array>
#include <cstdio>

#include "client/cli/charts/svg.h"

namespace waferline::cli {
namespace {

using placement::Part;
using placement::PlacedPiece;
using placement::SramUse;

constexpr double kMargin = 36;
constexpr double kTop = 152;
constexpr double kGap = 34;
constexpr double kUnder = 92;  // below a wafer: its name, layers and SRAM
constexpr int kAcross = 4;     // wafers in a line

std::string_view ColourOf(const PlacedPiece& piece) {
  if (piece.part == Part::kEmbedding) return "#b9d8c9";
  if (piece.part == Part::kOutput) return "#e7c9dc";
  return "";
}

struct Owner {
  std::string_view name;
  std::string_view colour;
  double SramUse::*bytes;
};
constexpr std::array<Owner, 5> kOwners = {
    {{"weights", "#0072b2", &SramUse::weights},
     {"KV cache", "#e69f00", &SramUse::kv},
     {"embedding, output", "#cc79a7", &SramUse::embedding_and_output},
     {"code and buffers", "#8a97a3", &SramUse::code_and_buffers},
     {"free", "#eceff2", &SramUse::free}}};

std::string Microseconds(double seconds) {
  char text[40];
  snprintf(text, sizeof text, "%.2f us", seconds * 1e6);
  return text;
}

std::string LayersOn(const placement::Placement& p, int place) {
  int first = -1, last = -1;
  std::string others;
  for (const PlacedPiece& piece : p.pieces) {
    if (piece.place != place) continue;
    if (piece.part != Part::kLayer) {
      others += (others.empty() ? "" : ", ") + NameOf(piece);
      continue;
    }
    if (first < 0) first = piece.layer;
    last = piece.layer;
  }
  if (first < 0) return others;
  std::string text = first == last
                         ? "layer " + std::to_string(first)
                         : "layers " + std::to_string(first) + " to " + std::to_string(last);
  return others.empty() ? text : text + ", " + others;
}

class Drawing {
 public:
  explicit Drawing(const PlacementChart& chart)
      : chart_(chart),
        scale_(StageScaleOf(chart.placement, chart.speed)),
        drawn_(std::min(chart.placement.depth, kMaxDrawn)),
        side_(drawn_ == 1   ? 560
              : drawn_ == 2 ? 440
              : drawn_ <= 3 ? 330
                            : 270),
        across_(std::min(drawn_, kAcross)),
        svg_(std::max(2 * kMargin + across_ * (side_ + kGap) - kGap, 680.0),
             kTop + (drawn_ + across_ - 1) / across_ * (side_ + kUnder) + 16) {}

  std::string Draw() {
    svg_.Text({kMargin, 38}, chart_.title, {.size = 21, .bold = true});
    svg_.Text({kMargin, 64}, chart_.subtitle, {.size = 14, .colour = "#555"});
    Legend();
    for (int place = 0; place < drawn_; ++place) Wafer(place);
    return svg_.Finish();
  }

 private:
  void Legend() {
    double x = kMargin;
    const auto entry = [&](std::string_view colour, std::string_view text) {
      svg_.Rectangle({x, 84, 12, 12}, colour);
      svg_.Text({x + 18, 95}, text, {.size = 12});
      x += 38 + 7.2 * static_cast<double>(text.size());
    };
    svg_.Text({x, 95}, "SRAM:", {.size = 12, .bold = true});
    x += 54;
    for (const Owner& owner : kOwners) entry(owner.colour, owner.name);
    x = kMargin;
    svg_.Text({x, 119}, "A layer's time for a token:", {.size = 12, .bold = true});
    svg_.Text({x + 196, 119}, scale_.min_label(), {.size = 12});
    for (int i = 0; i < 10; ++i) {
      svg_.Rectangle({x + 256 + i * 9.0, 108, 9, 12}, HeatColour((i + 0.5) / 10));
    }
    svg_.Text({x + 354, 119}, scale_.max_label(), {.size = 12});
  }

  void Wafer(int place) {
    const double x = kMargin + place % across_ * (side_ + kGap);
    const double y = kTop + place / across_ * (side_ + kUnder);
    const placement::Mesh& mesh = chart_.placement.mesh;
    for (size_t i = 0; i < chart_.placement.pieces.size(); ++i) {
      const PlacedPiece& piece = chart_.placement.pieces[i];
      if (piece.place != place) continue;
      const placement::Rectangle& r = piece.region;
      const Box box{x + side_ * r.column / mesh.columns, y + side_ * r.row / mesh.rows,
                    side_ * r.columns / mesh.columns, side_ * r.rows / mesh.rows};
      const std::string_view own = ColourOf(piece);
      svg_.Rectangle(
          box,
          own.empty() ? HeatColour(scale_.HeatOf(chart_.speed.busy_seconds[i])) : std::string(own),
          Tip(i));
      svg_.Outline(box, "#fff", 1.2);
      Label(box, piece);
    }
    svg_.Outline({x, y, side_, side_}, "#444", 1);
    const double under = y + side_;
    char text[160];
    snprintf(text, sizeof text, "wafer %d", place + 1);
    std::string name = text;
    if (chart_.placement.tensor > 1) {
      name = "place " + std::to_string(place + 1) + ", " + std::to_string(chart_.placement.tensor) +
             " wafers alike";
    }
    svg_.Text({x, under + 20}, name, {.size = 14, .bold = true});
    svg_.Text({x, under + 38}, LayersOn(chart_.placement, place), {.size = 12, .colour = "#444"});
    Sram(x, under + 46, chart_.placement.sram[static_cast<size_t>(place)]);
  }

  std::string Tip(size_t i) const {
    const PlacedPiece& piece = chart_.placement.pieces[i];
    char text[240];
    snprintf(text, sizeof text, "%s: %d x %d cores, %.1f MB of weights, %.1f MB of KV, %.2f us",
             NameOf(piece).c_str(), piece.region.columns, piece.region.rows,
             piece.weight_bytes * 1e-6, piece.kv_bytes * 1e-6, chart_.speed.busy_seconds[i] * 1e6);
    return text;
  }

  void Label(const Box& box, const PlacedPiece& piece) {
    const std::string label = piece.part == Part::kEmbedding ? "emb"
                              : piece.part == Part::kOutput  ? "out"
                                                             : std::to_string(piece.layer);
    const double size =
        std::min({14.0, box.height * 0.7, 1.5 * box.width / static_cast<double>(label.size())});
    if (size < 5) return;
    svg_.Text({box.x + box.width / 2, box.y + box.height / 2 + size / 3}, label,
              {.size = size, .anchor = Anchor::kMiddle});
  }

  void Sram(double x, double y, const SramUse& use) {
    double at = x;
    for (const Owner& owner : kOwners) {
      const double width = side_ * (use.*owner.bytes) / use.total();
      char tip[80];
      snprintf(tip, sizeof tip, "%s: %.2f GB", std::string(owner.name).c_str(),
               use.*owner.bytes * 1e-9);
      svg_.Rectangle({at, y, width, 14}, owner.colour, tip);
      at += width;
    }
    char text[96];
    snprintf(text, sizeof text, "%.1f GB of weights, %.2f GB of KV",
             (use.weights + use.embedding_and_output) * 1e-9, use.kv * 1e-9);
    svg_.Text({x, y + 30}, text, {.size = 11, .colour = "#555"});
  }

  const PlacementChart& chart_;
  const StageScale scale_;
  const int drawn_;
  const double side_;
  const int across_;
  Svg svg_;
};

}  // namespace

std::string NameOf(const PlacedPiece& piece) {
  switch (piece.part) {
    case Part::kEmbedding:
      return "embedding";
    case Part::kOutput:
      return "output";
    case Part::kLayer:
      break;
  }
  return "layer " + std::to_string(piece.layer);
}

double StageScale::HeatOf(double seconds) const {
  return std::clamp((seconds - min_seconds) / (max_seconds - min_seconds), 0.0, 1.0);
}

std::string StageScale::min_label() const { return Microseconds(min_seconds); }
std::string StageScale::max_label() const { return Microseconds(max_seconds); }

StageScale StageScaleOf(const placement::Placement& placement,
                        const placement::PlacementSpeed& speed) {
  StageScale scale{.min_seconds = speed.bottleneck_seconds, .max_seconds = 0};
  for (size_t i = 0; i < placement.pieces.size(); ++i) {
    if (placement.pieces[i].part != Part::kLayer) continue;
    scale.min_seconds = std::min(scale.min_seconds, speed.busy_seconds[i]);
    scale.max_seconds = std::max(scale.max_seconds, speed.busy_seconds[i]);
  }
  // Layers that differ by a few per cent are to look alike.
  scale.max_seconds = std::max(scale.max_seconds, 1.1 * scale.min_seconds);
  return scale;
}

std::vector<MapRegion> RegionsOf(const placement::Placement& placement,
                                 const placement::PlacementSpeed& speed, int place) {
  const StageScale scale = StageScaleOf(placement, speed);
  std::vector<MapRegion> regions;
  for (size_t i = 0; i < placement.pieces.size(); ++i) {
    const PlacedPiece& piece = placement.pieces[i];
    if (piece.place != place) continue;
    const placement::Rectangle& r = piece.region;
    char tip[160];
    snprintf(tip, sizeof tip, "%s: %d x %d cores, %.2f us a token", NameOf(piece).c_str(),
             r.columns, r.rows, speed.busy_seconds[i] * 1e6);
    regions.push_back({.column = 1.0 * r.column,
                       .row = 1.0 * r.row,
                       .columns = 1.0 * r.columns,
                       .rows = 1.0 * r.rows,
                       .label = piece.part == Part::kEmbedding ? "emb"
                                : piece.part == Part::kOutput  ? "out"
                                                               : std::to_string(piece.layer),
                       .heat = scale.HeatOf(speed.busy_seconds[i]),
                       .colour = std::string(ColourOf(piece)),
                       .tip = tip});
  }
  return regions;
}

std::string DrawPlacement(const PlacementChart& chart) { return Drawing(chart).Draw(); }

}  // namespace waferline::cli
