#include "wafer_backend/hardware/timing/side_work.h"

#include <algorithm>
#include <cmath>

namespace waferline::timing {
namespace {

constexpr double kFlopsPerMac = 2;
constexpr double kBytesPerActivation = 2;

struct Rates {
  double bytes_per_second = 0;
  double macs_per_second = 0;
  double attention_macs_per_second = 0;
};

// Of the devices that work on a layer together: all of them, or the layer's own chips.
Rates RatesOf(const silicon::AcceleratorSpec& device, const Holding& holding) {
  const double devices = device.chip_hop_seconds.has_value() ? ChipsALayer(holding)
                                                             : static_cast<double>(holding.devices);
  const double macs = devices * device.compute_efficiency.value / kFlopsPerMac;
  return {devices * device.memory_bytes_per_second.value * device.memory_efficiency.value,
          macs * device.PeakFlops(holding.bytes_per_weight).value,
          macs * device.peak_fp16_flops.value};
}

// What the devices of a layer wait for each other.
void AddWaits(const LayerKind& kind, const silicon::AcceleratorSpec& device, const Holding& holding,
              SideWork* work) {
  if (device.chip_hop_seconds) {
    work->start_seconds += device.chip_hop_seconds->value * ChipsALayer(holding);
    return;
  }
  if (holding.devices == 1) return;
  const int halves = (kind.attention_parameters > 0) + (kind.ffn_parameters > 0);
  const double devices = holding.devices;
  const double bytes = static_cast<double>(holding.hidden) * kBytesPerActivation;
  work->start_seconds += halves * device.allreduce_seconds.value;
  work->row_link_seconds =
      halves * 2 * (devices - 1) / devices * bytes / device.link_bytes_per_second.value;
}

// The share of the experts that a token of so many meets.
double ExpertsMet(const SideWork& work, double tokens) {
  const auto met = [tokens](double chance) { return 1 - std::pow(1 - chance, tokens); };
  if (work.expert_chances.empty()) return met(work.expert_share);
  double sum = 0;
  for (const double chance : work.expert_chances) sum += met(chance);
  return sum / static_cast<double>(work.expert_chances.size());
}

}  // namespace

double ChipsALayer(const Holding& holding) {
  return static_cast<double>(holding.devices) / static_cast<double>(holding.layers);
}

void Rows::Add(const MicroBatch& batch) {
  rows += batch.sequences * batch.width;
  sequences += batch.sequences;
  positions += batch.positions;
  pairs += batch.positions * batch.width;
}

void Rows::AddChunk(double fresh, double before) {
  rows += fresh;
  sequences += 1;
  positions += before + fresh;
  pairs += fresh * (before + (fresh + 1) / 2);  // causal: the i-th fresh token sees i - 1 more
}

double SideWork::At(const Rows& r) const {
  double positions = r.positions, pairs = r.pairs;
  if (window > 0) {
    positions = std::min(positions, static_cast<double>(window) * r.sequences);
    pairs = std::min(pairs, static_cast<double>(window) * r.rows);
  }
  double weights = weight_seconds;
  if (expert_seconds > 0) weights += expert_seconds * ExpertsMet(*this, r.rows);
  return start_seconds + std::max(weights, token_seconds * r.rows) +
         std::max(position_read_seconds * positions, position_seconds * pairs) +
         row_link_seconds * r.rows;
}

double SideWork::At(const MicroBatch& batch) const {
  Rows rows;
  rows.Add(batch);
  return At(rows);
}

SideWork WorkOf(const LayerKind& kind, const silicon::AcceleratorSpec& device,
                const Holding& holding) {
  const Rates rates = RatesOf(device, holding);
  const double weight = holding.bytes_per_weight / rates.bytes_per_second;
  SideWork work{
      .start_seconds = kind.start_share * device.layer_seconds.value,
      .weight_seconds = (kind.parameters() - kind.expert_parameters) * weight,
      .expert_seconds = kind.expert_parameters * weight,
      .expert_share = kind.expert_share,
      .expert_chances = kind.expert_chances,
      .position_read_seconds =
          kind.kv_values_per_position * holding.bytes_per_kv_value / rates.bytes_per_second,
      .token_seconds = kind.active_parameters / rates.macs_per_second,
      .position_seconds = kind.attention_macs_per_position / rates.attention_macs_per_second,
      .window = kind.window};
  AddWaits(kind, device, holding, &work);
  return work;
}

SideWork OutputWorkOf(const ModelSizes& shape, const silicon::AcceleratorSpec& device,
                      const Holding& holding) {
  const Rates rates = RatesOf(device, holding);
  const double parameters = VocabularyParameters(shape);
  return {.weight_seconds = parameters * holding.bytes_per_weight / rates.bytes_per_second,
          .token_seconds = parameters / rates.macs_per_second};
}

}  // namespace waferline::timing
