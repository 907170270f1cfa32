// What a plan says of its users: parameters, read from `demand:`.
#pragma once

#include "server/planner/plan.h"

namespace waferline {
class YamlForm;
}

namespace waferline::planner {

//   demand:
//     tokens_per_day: {...}       # of the first served model, in a mean day
//     peak_over_mean: {...}       # the busiest hour's tokens over the mean hour's
//     low_latency_share: {...}    # of the tokens that wafers are to serve
//     gpu_tier: {hardware: h200, devices: 8, ms_per_token: 30}
//
// The tier's tokens a second come from the roofline of hardware/emulator: the largest batch whose
// step takes at most `ms_per_token` and whose KV, as long as `serving.context`, fits next to the
// weights. Their range is that of the device's uncertain efficiencies. Needs `serving:`.
void ReadDemand(YamlForm form, Plan* plan);

}  // namespace waferline::planner
