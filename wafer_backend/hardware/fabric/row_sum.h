// What reduces along rows have in common.
#pragma once

#include "wafer_backend/hardware/fabric/collective.h"

namespace waferline::fabric {

// Is core 0 of every row holding the sum of its row?
bool RowSumsAtFirst(const CollectiveSize& size, const Fabric& fabric);
// Is every core holding the sum over the whole grid?
bool GridSumsEverywhere(const CollectiveSize& size, const Fabric& fabric);

}  // namespace waferline::fabric
