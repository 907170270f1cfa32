#include "wafer_backend/hardware/silicon/defects.h"

#include <algorithm>
#include <cmath>

namespace waferline::silicon {
namespace {

double DrawNormal(SeededStream& stream) {  // Box, Muller 1958
  const double radius = std::sqrt(-2 * std::log1p(-stream.Uniform()));
  return radius * std::cos(2 * M_PI * stream.Uniform());
}

}  // namespace

DefectLaw DefectLawOf(const WaferSpec& wafer, bool clustered) {
  DefectLaw law;
  law.per_mm2 = wafer.defects_per_mm2.value;
  law.clustering = clustered ? wafer.defect_clustering.value : 0;
  return law;
}

// Counts unit-rate exponential gaps; the mean is taken in bites so that nothing underflows.
int64_t DrawPoisson(double mean, SeededStream& stream) {
  int64_t count = 0;
  for (double left = mean - stream.Exponential(1); left > 0 && count < kMaxDefects;
       left -= stream.Exponential(1)) {
    ++count;
  }
  return count;
}

// Marsaglia, Tsang: "A simple method for generating gamma variables", ACM TOMS 2000.
double DrawGamma(double shape, SeededStream& stream) {
  if (shape < 1) return DrawGamma(shape + 1, stream) * std::pow(1 - stream.Uniform(), 1 / shape);
  const double d = shape - 1.0 / 3;
  const double c = 1 / std::sqrt(9 * d);
  while (true) {
    const double x = DrawNormal(stream);
    const double v = std::pow(1 + c * x, 3);
    if (v <= 0) continue;
    if (std::log1p(-stream.Uniform()) < 0.5 * x * x + d - d * v + d * std::log(v)) return d * v;
  }
}

std::vector<Defect> DrawDefects(const CoreGrid& grid, double wafer_area_mm2, const DefectLaw& law,
                                SeededStream stream) {
  std::vector<Defect> defects;
  const double die_mean = law.per_mm2 * wafer_area_mm2 / grid.dies();
  for (int die_row = 0; die_row < grid.die_rows; ++die_row) {
    for (int die_column = 0; die_column < grid.die_columns; ++die_column) {
      const double mean = law.clustering > 0
                              ? die_mean * DrawGamma(law.clustering, stream) / law.clustering
                              : die_mean;
      const int64_t count = DrawPoisson(mean, stream);
      const int left = grid.ColumnBegin(die_column), right = grid.ColumnBegin(die_column + 1);
      const int top = grid.RowBegin(die_row), bottom = grid.RowBegin(die_row + 1);
      for (int64_t i = 0; i < count && static_cast<int64_t>(defects.size()) < kMaxDefects; ++i) {
        Defect defect;
        defect.column = left + static_cast<int>(stream.Uniform() * (right - left));
        defect.row = top + static_cast<int>(stream.Uniform() * (bottom - top));
        defect.link = stream.Uniform() < law.link_share;
        defects.push_back(defect);
      }
    }
  }
  return defects;
}

}  // namespace waferline::silicon
