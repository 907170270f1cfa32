// The usage ledger: what each tenant has used of each model since the start. Bills are made from
// it. Owner: server/app. Thread: any. Bounds: one row for each pair of tenant and model, both from
// the configuration. Lost when the process ends.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "scheduler/request/token_sink.h"
#include "wafer_backend/base/mutex.h"

namespace waferline::tenancy {

struct UsageRow {
  uint64_t requests = 0;  // admitted, however they ended
  uint64_t prompt_tokens = 0;
  uint64_t cached_tokens = 0;  // of the prompt tokens
  uint64_t generated_tokens = 0;
  Nanoseconds decode_time;  // emulated
};

class UsageLedger {
 public:
  using Key = std::pair<std::string, std::string>;  // tenant, model

  // Once for each outcome of an admitted sequence.
  void Record(const std::string& tenant, const std::string& model, const Outcome& outcome);
  std::map<Key, UsageRow> Rows() const;
  // {"usage":[{"tenant","model","requests",...}]}
  std::string ToJson() const;

 private:
  mutable Mutex mutex_;
  std::map<Key, UsageRow> rows_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace waferline::tenancy
