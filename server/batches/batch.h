// Files of requests, and batches that run them: plain values.
#pragma once

#include <boost/json/object.hpp>
#include <cstddef>
#include <cstdint>
#include <string>

namespace waferline::batches {

// Bounds; each is an error that names it.
inline constexpr size_t kMaxLines = 50'000;                         // of a batch's input
inline constexpr int64_t kMaxFiles = 1000;                          // of a tenant
inline constexpr int64_t kMaxFileBytes = int64_t{2} << 30;          // of a tenant, together
inline constexpr int64_t kMaxOpenBatches = 64;                      // of a tenant
inline constexpr int64_t kMaxResultBytes = int64_t{256} << 20;      // of a batch's answers
inline constexpr int64_t kWindowUs = int64_t{24} * 3600 * 1000000;  // to run a batch in

// A tenant sees its own only.
struct Key {
  std::string tenant;
  std::string id;
};

struct File {
  Key key;
  std::string name;     // as its client calls it
  std::string purpose;  // batch; batch_output
  int64_t bytes = 0;
  int64_t created_us = 0;  // Unix time
};

struct Batch {
  Key key;
  std::string key_id;  // the API key that asked for it; "": one without an id
  int64_t created_us = 0;
  // As OpenAI names them: validating, in_progress, finalizing, completed, failed, expired,
  // cancelling, cancelled.
  std::string status;
  boost::json::object view;  // what its client sees, all but status
  int64_t server = 0;        // that has run it last
};

// Something is still to be done for it.
inline bool IsOpen(const std::string& status) {
  return status == "validating" || status == "in_progress" || status == "finalizing" ||
         status == "cancelling";
}

}  // namespace waferline::batches
