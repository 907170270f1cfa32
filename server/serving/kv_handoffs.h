// Prompts that one server computes and another one decodes. A router arranges it with the fields of
// kv_transfer_params, whose names are vLLM's:
//   do_remote_decode: true    to the first server; its answer has the fields below
//   do_remote_prefill: true   with them, to the second one
// The fields say whose prompt it is and until when it is kept, and are signed with a key that both
// servers have: another prompt, model (by name and weights) or tenant than the one that was
// computed is refused.
//
// Owner: server/app; immutable, any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "scheduler/request/valid_request.h"

namespace waferline::serving {

// By name: texts as they are, true as "true"; what is null or false is not there, and nothing that
// is a list or an object.
using KvParams = std::map<std::string, std::string, std::less<>>;
// Of the fields that are handed over these are true or false, all others texts.
bool IsFlag(std::string_view name);

class KvHandoffs {
 public:
  struct Settings {
    std::string engine_id;  // another one after each start
    std::string key;        // the same on both sides; not empty
    bool computes_prompts = true;
    bool decodes = true;
    int64_t keep_seconds = 60;
    // By model: a fingerprint of the weights that compute its tokens; absent: none do.
    std::map<std::string, uint64_t, std::less<>> weights;
  };

  // Takes part in nothing.
  static const KvHandoffs* None();
  KvHandoffs() = default;
  explicit KvHandoffs(Settings settings) : settings_(std::move(settings)) {}

  bool enabled() const { return !settings_.key.empty(); }
  const Settings& settings() const { return settings_; }

  // Sets which leg the request is, and gives what its answer hands over if it ends for its length
  // (empty: nothing). All else of the request must be set. InvalidArgument: not done here, or not
  // with such a request. FailedPrecondition: what was handed over is not for this request, or has
  // expired.
  absl::StatusOr<KvParams> Apply(const KvParams& asked, int64_t unix_seconds,
                                 ValidRequest* request) const;

 private:
  KvParams HandOver(const ValidRequest& request, int64_t unix_seconds) const;
  absl::Status Check(const KvParams& handed, int64_t unix_seconds,
                     const ValidRequest& request) const;
  // Of what a server with this engine id computed.
  std::string Sign(const KvParams& handed, const ValidRequest& request) const;

  const Settings settings_{};
};

}  // namespace waferline::serving
