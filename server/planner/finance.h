// What a plan says of money and of serving: parameters, read from `finance:` and `serving:`.
#pragma once

#include <string>
#include <vector>

#include "server/planner/plan.h"

namespace waferline {
class YamlForm;
}

namespace waferline::planner {

// Reads both sections, which go together. Tokens a second are never typed in: they come from
// placement::Predict on the serving hardware, with its low and high, as do the watts.
//
//   finance:
//     other_cost_usd: {...}      # of a system, beyond the unit costs of the plan's stages
//     life_years: {...}          hall_life_years: {...}
//     prepay_share: {...}        # of a system's cost, when its assembly starts; the rest when it
//                                # is delivered to a hall
//     staff_share: {...}         # of what the systems in service cost, a year
//     price_usd_per_system_hour: {...}   # of contracted systems; or {contract: NAME}, what the
//                                # price of a contract of deploy/contracts comes to
//     contra_share: {...}        # of contracted revenue, taken off for warrants
//     pass_through_power: {...}, pass_through_lease: {...}   # share that the buyer pays back
//     spot_usd_per_million_tokens: {...}  # of systems beyond what is contracted
//     payment_months: {...}      # from revenue to cash, whole months
//     pue: {...}                 usd_per_kwh: {...}
//     opening_cash_usd: {...}
//     equity: [{month: 2026-05, usd: {...}}]
//   serving:
//     {hardware: wse-3, profile: vendor-2025, context: 4096, models: [{name: gpt-oss-120b}, ...],
//      utilisation: {...}, idle_share: {...}}   # idle_share: of a system's working watts
void ReadFinance(YamlForm& root, Plan* plan);

}  // namespace waferline::planner
