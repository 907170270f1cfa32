// What a plan has promised to customers, read from `contracted:`.
#pragma once

#include "server/contracts/contract.h"
#include "server/planner/plan.h"

namespace waferline {
class YamlForm;
}

namespace waferline::planner {

//   contracted:
//     - {name: first, mw: {...}, from_week: {...}, to_week: {...}, lost_week: {...},
//        customer: acme, group: acme-holding}
//     - {name: second, contract: openai-750mw, lost_week: {...}}
//
// Of a contract of deploy/contracts (or a path) the megawatts of systems and the weeks of its
// delivery are taken; an option that is exercised is a promise of its own, second.OPTION. Where the
// contract's megawatts count the hall's load, its PUE is taken off. lost_week may be left out,
// and customer and group, whose defaults are the name and the customer.
// Needs the plan's start.
void ReadPromises(YamlForm& root, Plan* plan);

// $ that a system-hour of the contract earns, without its options: the whole price over all hours
// of all systems. Low and high: at the ends of the term's range.
Fact PriceOfSystemHour(const contracts::Contract& contract);

}  // namespace waferline::planner
