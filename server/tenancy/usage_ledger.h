// What each tenant has used of each model since the start: what a bill would be written from.
// Any thread. Bounds: one row a pair of tenant and model, both from the configuration.
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
  uint64_t requests = 0;  // that were admitted, whatever their end
  uint64_t prompt_tokens = 0;
  uint64_t cached_tokens = 0;  // of the prompt tokens
  uint64_t generated_tokens = 0;
  Nanoseconds decode_time;  // emulated
};

class UsageLedger {
 public:
  using Key = std::pair<std::string, std::string>;  // tenant, model

  void Record(const std::string& tenant, const std::string& model, const Outcome& outcome);
  std::map<Key, UsageRow> Rows() const;
  // {"usage":[{"tenant","model","requests",...}]}
  std::string ToJson() const;

 private:
  mutable Mutex mutex_;
  std::map<Key, UsageRow> rows_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace waferline::tenancy
