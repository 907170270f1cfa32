// A source whose values are really computed: one compute plane, or several that share the sequences
// of a model (chained_source.h). Interface; threads as ValueSource says.
#pragma once

#include "wafer_backend/api/values.h"
#include "wafer_backend/compute/plane/plane_counters.h"

namespace waferline::plane {

class ComputedSource : public ValueSource {
 public:
  virtual PlaneCounters counters() const = 0;  // any thread
};

}  // namespace waferline::plane
