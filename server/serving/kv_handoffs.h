// Prompts that one server computes and another one decodes. A router arranges it with the fields of
// kv_transfer_params, whose names are vLLM's:
//   do_remote_decode: true    to the first server; its answer has the fields below
//   do_remote_prefill: true   with them, to the second one
// The fields say whose prompt it is, when it was computed and until when it is kept, and are signed
// with a key that both servers have: another prompt, model (by name and weights) or tenant than the
// one that was computed is refused, and what was taken once is refused from then on.
//
// What was taken is remembered in memory until it expires. A server that was restarted therefore
// takes nothing that was computed before its start: what it took before is among that. Seconds on
// two hosts' clocks may differ by kClockSkewSeconds: what seems to come from further ahead is
// refused, so that whatever was taken before a start says that it was computed at most so much
// after it. When the wall clock goes back, what was forgotten stays refused; also over a restart if
// the server keeps (Settings::keep) up to which second what it took was computed.
//
// Owner: server/app. Thread: any. Bounds: kMaxTaken that were taken and have not expired.
#pragma once

#include <algorithm>
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
  // Keeps the second for the next start before anything computed in it is taken; an error: nothing
  // is. Called once for a second at most. Blocks.
  using KeepTaken = std::function<absl::Status(int64_t computed_unix_s)>;
  struct Settings {
    std::string engine_id;  // another one after each start
    std::string key;        // the same on both sides; not empty
    bool computes_prompts = true;
    bool decodes = true;
    int64_t keep_seconds = 60;
    int64_t started_unix_s = 0;  // see takes_from_unix_s()
    int64_t taken_unix_s = 0;    // what was taken before the start was computed until then
    KeepTaken keep;              // null: in memory alone
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
  int64_t takes_from_unix_s() const {
    return std::max(settings_.started_unix_s + kClockSkewSeconds, settings_.taken_unix_s) + 1;
  }

  // Sets which leg the request is, and gives what its answer hands over if it ends for its length
  // (empty: nothing). All else of the request must be set. InvalidArgument: not done here, or not
  // with such a request. FailedPrecondition: what was handed over is not for this request, has
  // expired, comes from before this server's start, or was taken before, also by a request that was
  // then refused. ResourceExhausted: too many were taken. Unavailable: that it is taken cannot be
  // kept.
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
  mutable int64_t forgotten_until_ ABSL_GUARDED_BY(mutex_) = 0;  // the last of them to expire
  mutable int64_t kept_ ABSL_GUARDED_BY(mutex_) = 0;             // given to `keep`
};

}  // namespace waferline::serving
