// What a step of a whole model takes on accelerators that hold it together: decoded tokens and
// chunks of prompts, alone or in the same step (chunked prefill: Agrawal et al., OSDI 2024). The
// one cost of such machines: served devices, predictions and plans use it. A value; pure; any
// thread; a step costs some dozen operations.
//
// Left out: chips of a pipeline work on one chunk a layer after the other, so that several chunks
// at once gain nothing.
#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "wafer_backend/hardware/silicon/hardware.h"
#include "wafer_backend/hardware/timing/model_shape.h"
#include "wafer_backend/hardware/timing/side_work.h"

namespace waferline::timing {

struct BatchCosts {
  struct Kind {
    SideWork work;  // of one layer
    double layers;  // of this kind
  };
  std::vector<Kind> kinds;
  SideWork output;  // of the matrix that makes logits
  int layers = 1;
  double weight_bytes = 0;
  double kv_bytes_per_position = 0;  // of all layers, as if none had a window

  // `logits`: rows of the output, a decoded token or a chunk's last one each.
  double StepSeconds(const Rows& rows, double logits) const;
};

// The shape has passed CheckShape; `layers` and `hidden` of the holding are taken from it.
BatchCosts BatchCostsOf(const ModelSizes& shape, const silicon::AcceleratorSpec& device,
                        Holding holding);

}  // namespace waferline::timing
