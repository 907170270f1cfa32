// Puts stages in the order in which a week is worked through. Pure.
#pragma once

#include <string>
#include <vector>

#include "server/planner/plan.h"

namespace waferline::planner {

struct OrderFault {
  size_t stage = 0;     // index before ordering
  std::string field;    // of the stage
  std::string message;  // empty: no fault
};

// Each stage after those that it needs, second sources before the stage that they add to is used,
// the one that no other needs last; indices in needs and into follow. Stages whose order is free
// keep it. A stage has one consumer: were its stock shared, more of one thing could mean fewer
// systems. A fault: stages that need each other in a circle (named), a second source of a stage
// with needs, a second source that a stage needs, a stage that two others need, two stages that no
// other needs. Nothing is changed then.
OrderFault OrderStages(std::vector<Stage>* stages);

}  // namespace waferline::planner
