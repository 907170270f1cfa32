#include "wafer_backend/compute/shard/sram_ledger.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "wafer_backend/base/check.h"

namespace waferline::shard {

std::string InWords(Bytes size) {
  const double bytes = size.as_double();
  if (bytes >= 1e9) return absl::StrFormat("%.2f GB", bytes / 1e9);
  if (bytes >= 1e6) return absl::StrFormat("%.2f MB", bytes / 1e6);
  return absl::StrFormat("%.2f kB", bytes / 1e3);
}

SramLedger::SramLedger(std::string name, Bytes capacity)
    : name_(std::move(name)), capacity_(capacity) {}

absl::Status SramLedger::Settle(Bytes weights, Bytes buffers, Bytes kv_per_page) {
  const Bytes needed = weights + buffers + kv_per_page;
  if (needed > capacity_) {
    const bool kv = kv_per_page > Bytes(0);
    return absl::ResourceExhaustedError(absl::StrCat(
        name_, " does not fit: weights ", InWords(weights), " + buffers ", InWords(buffers),
        kv ? absl::StrCat(" + one page of KV ", InWords(kv_per_page)) : "", " = ", needed.count(),
        " bytes, but its SRAM has ", capacity_.count(), "; cut the model into more ",
        kv ? "shards" : "workers of experts"));
  }
  weights_ = weights;
  buffers_ = buffers;
  return absl::OkStatus();
}

absl::Status SramLedger::ReserveKv(Bytes size) {
  if (size > free()) {
    return absl::ResourceExhaustedError(
        absl::StrCat(name_, ": ", InWords(size), " of KV asked for, ", InWords(free()), " free of ",
                     InWords(capacity_), " (weights ", InWords(weights_), ", buffers ",
                     InWords(buffers_), ", KV of others ", InWords(kv_), ")"));
  }
  kv_ += size;
  return absl::OkStatus();
}

void SramLedger::ReleaseKv(Bytes size) {
  WL_CHECK(size <= kv_);
  kv_ -= size;
}

}  // namespace waferline::shard
