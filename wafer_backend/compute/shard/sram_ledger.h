// The owners of the bytes of a shard's SRAM (law 2): weights and buffers for its life, KV by the
// slots that reserved it. Nothing is held that the ledger does not name; what does not fit is
// refused. Owner: the shard; thread: its own.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "wafer_backend/base/units.h"

namespace waferline::shard {

class SramLedger {
 public:
  // `name` stands in messages ("shard of layers 0 to 7").
  SramLedger(std::string name, Bytes capacity);

  // What stays for good. ResourceExhausted, with the sum, if weights, buffers and one page of KV
  // (0: it holds none) do not fit together.
  absl::Status Settle(Bytes weights, Bytes buffers, Bytes kv_per_page);

  // ResourceExhausted, nothing taken, if less than `size` is free.
  absl::Status ReserveKv(Bytes size);
  void ReleaseKv(Bytes size);

  Bytes capacity() const { return capacity_; }
  Bytes weights() const { return weights_; }
  Bytes buffers() const { return buffers_; }
  Bytes kv() const { return kv_; }
  Bytes free() const { return capacity_ - weights_ - buffers_ - kv_; }

 private:
  std::string name_;
  Bytes capacity_;
  Bytes weights_;
  Bytes buffers_;
  Bytes kv_;
};

// "44.00 GB", "1.50 MB": decimal, as hardware is sold.
std::string InWords(Bytes size);

}  // namespace waferline::shard
