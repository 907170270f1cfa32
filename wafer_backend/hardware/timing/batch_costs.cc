#include "wafer_backend/hardware/timing/batch_costs.h"

namespace waferline::timing {

double BatchCosts::StepSeconds(const Rows& rows, double logits) const {
  double seconds = output.At(Rows{.rows = logits});
  for (const Kind& kind : kinds) seconds += kind.layers * kind.work.At(rows);
  return seconds;
}

BatchCosts BatchCostsOf(const ModelSizes& shape, const silicon::AcceleratorSpec& device,
                        Holding holding) {
  holding.layers = shape.layers;
  holding.hidden = shape.hidden;
  const ModelLayers layers = LayersOf(shape);
  BatchCosts costs{.layers = static_cast<int>(shape.layers),
                   .weight_bytes = TotalParameters(shape) * holding.bytes_per_weight};
  for (const LayerKind& kind : layers.kinds)
    costs.kinds.push_back({WorkOf(kind, device, holding), 0});
  for (const uint8_t kind : layers.kind_of) {
    costs.kinds[kind].layers += 1;
    costs.kv_bytes_per_position +=
        layers.kinds[kind].kv_values_per_position * holding.bytes_per_kv_value;
  }
  costs.output = OutputWorkOf(shape, device, holding);
  return costs;
}

}  // namespace waferline::timing
