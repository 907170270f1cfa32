// Prompts that one server computes and another one decodes. A router arranges it with the fields of
// kv_transfer_params, whose names are vLLM's:
//   do_remote_decode: true    to the first server; its answer has the fields below
//   do_remote_prefill: true   with them, to the second one
// The fields say whose prompt it is, when it was computed and until when it is kept, and are signed
// with a key that both servers have: another prompt, model (by name and weights) or tenant than the
// one that was computed is refused, and what was taken once is refused from then on.
//
// What was taken is remembered in memory alone. A server that was restarted therefore takes nothing
// that was computed before its start: what it took before is among that. Seconds on two hosts'
// clocks may differ by kClockSkewSeconds: what seems to come from further ahead is refused, so that
// whatever was taken before a start says that it was computed at most so much after it. A server's
// own wall clock must not go back while it is restarted.
//
// Owner: server/app. Thread: any. Bounds: kMaxTaken that were taken and have not expired.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "scheduler/request/valid_request.h"
#include "wafer_backend/base/mutex.h"

namespace waferline::serving {

// By name: texts as they are, true as "true"; what is null or false is not there, and nothing that
// is a list or an object.
using KvParams = std::map<std::string, std::string, std::less<>>;
// Of the fields that are handed over these are true or false, all others texts.
bool IsFlag(std::string_view name);

class KvHandoffs {
 public:
  static constexpr size_t kMaxTaken = 65'536;
  static constexpr int64_t kClockSkewSeconds = 1;
  struct Settings {
    std::string engine_id;  // another one after each start
    std::string key;        // the same on both sides; not empty
    bool computes_prompts = true;
    bool decodes = true;
    int64_t keep_seconds = 60;
    int64_t started_unix_s = 0;  // see takes_from_unix_s()
    // By model: a fingerprint of the weights that compute its tokens; absent: none do.
    std::map<std::string, uint64_t, std::less<>> weights;
  };

  // Takes part in nothing.
  static const KvHandoffs* None();
  KvHandoffs() = default;
  explicit KvHandoffs(Settings settings) : settings_(std::move(settings)) {}

  bool enabled() const { return !settings_.key.empty(); }
  const Settings& settings() const { return settings_; }
  // What is computed from this second on is taken: a server that decodes opens no port before.
  int64_t takes_from_unix_s() const { return settings_.started_unix_s + kClockSkewSeconds + 1; }

  // Sets which leg the request is, and gives what its answer hands over if it ends for its length
  // (empty: nothing). All else of the request must be set. InvalidArgument: not done here, or not
  // with such a request. FailedPrecondition: what was handed over is not for this request, has
  // expired, comes from before this server's start, or was taken before, also by a request that was
  // then refused. ResourceExhausted: too many were taken.
  absl::StatusOr<KvParams> Apply(const KvParams& asked, int64_t unix_seconds,
                                 ValidRequest* request) const;

 private:
  KvParams HandOver(const ValidRequest& request, int64_t unix_seconds) const;
  absl::Status Check(const KvParams& handed, int64_t unix_seconds,
                     const ValidRequest& request) const;
  absl::Status CheckTimes(const KvParams& handed, int64_t unix_seconds) const;
  // Remembers that it is used, until it expires.
  absl::Status Take(const KvParams& handed, int64_t unix_seconds) const;
  // Of what a server with this engine id computed.
  std::string Sign(const KvParams& handed, const ValidRequest& request) const;

  const Settings settings_{};
  mutable std::atomic<uint64_t> handed_over_{0};
  mutable Mutex mutex_;
  // When it expires, and its signature.
  mutable std::set<std::pair<int64_t, std::string>> taken_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace waferline::serving
