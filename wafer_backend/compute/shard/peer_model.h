// Whether two workers may compute one sequence together: what each says of its model in its Hello.
#pragma once

#include "absl/status/status.h"
#include "wafer_backend/compute/link/frames.h"
#include "wafer_backend/compute/shard/packed_model.h"

namespace waferline::shard {

// This side's greeting, of no layers yet and all experts; slots, max_rows and page_tokens are the
// caller's to fill in.
link::HelloFrame HelloFor(link::Role role, const model::ModelShape& shape, uint64_t fingerprint);
// Of these layers and the model's experts.
link::HelloFrame HelloFor(link::Role role, const PackedModel& model, LayerRange range,
                          int64_t page_tokens);

// FailedPrecondition naming what differs: the model, or the page size. A driver does not know the
// page size, a worker of a part of layers has no pages: 0 fits any.
absl::Status SameModel(const link::HelloFrame& ours, const link::HelloFrame& theirs);

}  // namespace waferline::shard
