// The collectives that are built in; each is defined in a file of its name.
#pragma once

#include "wafer_backend/hardware/fabric/collective.h"

namespace waferline::fabric {

extern const Collective kBroadcast;
extern const Collective kReduceChain;
extern const Collective kReduceTwoPhase;
extern const Collective kReduceTree;
extern const Collective kReduceStar;
extern const Collective kAllreduceChain;
extern const Collective kAllreduceTwoPhase;
extern const Collective kGemvTwoPhase;
extern const Collective kGemvChain;
extern const Collective kShift;
extern const Collective kGemmShift;

}  // namespace waferline::fabric
