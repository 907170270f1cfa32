// Rules that hold for a request whatever protocol it came by. Any thread.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "scheduler/request/token_sink.h"
#include "server/text/served_model.h"
#include "wafer_backend/base/seeded_stream.h"

namespace waferline::serving {

// 1 to kMaxRequestIdBytes visible ASCII characters: what fits into a header, metadata and logs.
bool IsRequestId(std::string_view id);

// Ids and seeds for requests that bring none. One source a server, so that ids do not repeat across
// its front ends.
class RequestIdSource {
 public:
  explicit RequestIdSource(uint64_t seed)
      : seeds_(SeededStream(seed)), ids_(SeededStream(seed).Fork(1)) {}

  // `given` if it is a request id, else a new one of 16 hex digits: a transport's header that
  // cannot be echoed is replaced. (A wrong id in a request's body is an error of that field.)
  std::string IdFor(std::string_view given);
  uint64_t NewSeed() { return seeds_.At(next_seed_.fetch_add(1, std::memory_order_relaxed)); }

 private:
  const SeededStream seeds_;
  const SeededStream ids_;
  std::atomic<uint64_t> next_seed_ = 0;
  std::atomic<uint64_t> next_id_ = 0;
};

// False: a text of this many bytes cannot fit the model's context, so it need not be tokenized.
bool TextMayFit(size_t bytes, const text::ServedModel& model);

// Why a request ended: OK for kStop and kLength, else the outcome's own status or the one that its
// reason stands for.
absl::Status StatusOf(const Outcome& outcome);

}  // namespace waferline::serving
