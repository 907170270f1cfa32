#include "wafer_backend/hardware/silicon/wafer_yield.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/hardware/silicon/repair.h"

namespace waferline::silicon {
namespace {

constexpr size_t kBins = 513;

void Count(std::vector<int64_t>& histogram, int64_t value) {
  ++histogram[std::min<size_t>(static_cast<size_t>(value), kBins - 1)];
}

// One GPU die, its defects drawn like a wafer's die of that area.
class DicedDies {
 public:
  DicedDies(const DicedChip& chip, const DefectLaw& law) : chip_(chip), law_(law) {}

  void Draw(int64_t dies, SeededStream stream) {
    const double mean = law_.per_mm2 * chip_.die_mm2;
    const double in_units = std::min(1.0, chip_.unit_mm2 * chip_.units / chip_.die_mm2);
    for (int64_t i = 0; i < dies; ++i, ++dies_) {
      const double rate =
          law_.clustering > 0 ? mean * DrawGamma(law_.clustering, stream) / law_.clustering : mean;
      const int64_t defects = DrawPoisson(rate, stream);
      if (defects == 0) ++perfect_;
      std::vector<bool> bad(static_cast<size_t>(chip_.units), false);
      bool outside = false;  // a defect in what every unit shares kills the die
      for (int64_t d = 0; d < defects; ++d) {
        if (stream.Uniform() >= in_units) {
          outside = true;
        } else {
          bad[static_cast<size_t>(stream.Uniform() * chip_.units)] = true;
        }
      }
      const auto whole = chip_.units - std::count(bad.begin(), bad.end(), true);
      if (!outside && whole >= chip_.units_needed) ++good_;
    }
  }

  double perfect() const { return static_cast<double>(perfect_) / static_cast<double>(dies_); }
  double good() const { return static_cast<double>(good_) / static_cast<double>(dies_); }
  double enabled() const { return good() * chip_.units_needed / chip_.units; }

 private:
  const DicedChip chip_;
  const DefectLaw law_;
  int64_t dies_ = 0, perfect_ = 0, good_ = 0;
};

}  // namespace

absl::StatusOr<YieldStudy> StudyYield(const WaferSpec& wafer, const WaferSample& sample) {
  const auto& [wafers, granularity, law, stream] = sample;
  if (wafers < 1 || wafers > kMaxWafers) {
    return absl::InvalidArgumentError(
        absl::StrCat("wafers is ", wafers, ", must lie in [1, ", kMaxWafers, "]"));
  }
  WL_ASSIGN_OR_RETURN(const CoreGrid grid, CoreGrid::Of(wafer, granularity));
  const double area = wafer.side_mm.value * wafer.side_mm.value;
  const DicedChip chip;
  DicedDies diced(chip, law);
  YieldStudy study;
  study.wafers = wafers;
  study.defects_histogram.assign(kBins, 0);
  study.spares_histogram.assign(kBins, 0);
  int64_t sellable = 0, perfect = 0, defects_total = 0, spares = 0;
  double enabled = 0;
  for (int64_t i = 0; i < wafers; ++i) {
    const SeededStream draw = stream.Fork(static_cast<uint64_t>(i));
    const std::vector<Defect> defects = DrawDefects(grid, area, law, draw.Fork(0));
    const RepairedWafer repaired = Repair(grid, defects);
    diced.Draw(std::max<int64_t>(1, static_cast<int64_t>(area / chip.die_mm2)), draw.Fork(1));
    defects_total += static_cast<int64_t>(defects.size());
    perfect += defects.empty() ? 1 : 0;
    Count(study.defects_histogram, static_cast<int64_t>(defects.size()));
    Count(study.spares_histogram, repaired.spares_used);
    spares += repaired.spares_used;
    study.row_extra_hops_mean += repaired.row_extra_hops_mean;
    study.column_extra_hops_mean += repaired.column_extra_hops_mean;
    if (!repaired.sellable) continue;
    ++sellable;
    const double fraction =
        static_cast<double>(repaired.enabled_cores) / static_cast<double>(grid.cores());
    enabled += fraction;
    study.enabled_fraction_min = std::min(study.enabled_fraction_min, fraction);
  }
  const auto n = static_cast<double>(wafers);
  study.sellable = static_cast<double>(sellable) / n;
  study.defects_mean = static_cast<double>(defects_total) / n;
  study.enabled_fraction_mean = sellable > 0 ? enabled / static_cast<double>(sellable) : 0;
  if (sellable == 0) study.enabled_fraction_min = 0;
  study.spares_used_mean = static_cast<double>(spares) / n;
  study.row_extra_hops_mean /= n;
  study.column_extra_hops_mean /= n;
  study.perfect = static_cast<double>(perfect) / n;
  const double per_die = law.per_mm2 * area / grid.dies();
  study.perfect_closed_form =
      law.clustering > 0 ? std::pow(1 + per_die / law.clustering, -law.clustering * grid.dies())
                         : std::exp(-per_die * grid.dies());
  study.diced_dies_perfect = diced.perfect();
  study.diced_dies_good = diced.good();
  study.diced_silicon_enabled = diced.enabled();
  return study;
}

}  // namespace waferline::silicon
