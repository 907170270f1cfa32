// What workers send is checked before the driver uses it: a worker with other code, another file or
// broken memory costs its connection and a Status, never this process or a wrong token.
//
// Errors: InvalidArgument naming the field, its value and what is allowed. Any thread.
#pragma once

#include <cstdint>
#include <span>

#include "absl/status/status.h"
#include "wafer_backend/compute/link/frames.h"

namespace waferline::plane {

// Every size within bounds, far above any model; layers are a range of the model's. `slots` and
// `max_rows` are a shard's alone.
absl::Status CheckHello(const link::HelloFrame& hello);

// The sizes of `now` are those of `before`, from the same worker's earlier connection.
absl::Status CheckSameSizes(const link::HelloFrame& before, const link::HelloFrame& now);

absl::Status CheckMemory(const link::MemoryFrame& memory);

// rows x vocabulary of them. Whether they are finite is the driver's to see: that is the model's
// fault, not the worker's.
absl::Status CheckLogits(std::span<const float> logits, uint64_t rows, uint32_t vocabulary);

// Ids below the vocabulary, a log-probability for each.
absl::Status CheckLogprob(const link::WireLogprob& wire, uint32_t vocabulary);

}  // namespace waferline::plane
