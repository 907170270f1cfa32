#include "server/serving/kv_handoffs.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <charconv>
#include <iterator>
#include <string_view>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"

namespace waferline::serving {
namespace {

constexpr std::string_view kPrefill = "do_remote_decode";
constexpr std::string_view kDecode = "do_remote_prefill";
constexpr std::string_view kEngine = "remote_engine_id";
constexpr std::string_view kRequest = "remote_request_id";
constexpr std::string_view kTokens = "remote_num_tokens";
constexpr std::string_view kNumber = "remote_handoff";  // no two of a server are the same
constexpr std::string_view kComputed = "computed_unix_s";
constexpr std::string_view kExpires = "expires_unix_s";
constexpr std::string_view kSignature = "signature";
constexpr std::string_view kHandedOver[] = {kPrefill, kDecode,   kEngine,  kRequest,  kTokens,
                                            kNumber,  kComputed, kExpires, kSignature};

std::string_view Get(const KvParams& params, std::string_view name) {
  const auto found = params.find(name);
  return found == params.end() ? std::string_view() : found->second;
}

absl::StatusOr<int64_t> SecondsOf(const KvParams& handed, std::string_view name) {
  const std::string_view text = Get(handed, name);
  int64_t seconds = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (read.ec == std::errc() && read.ptr == text.data() + text.size()) return seconds;
  return absl::InvalidArgumentError(absl::StrCat(Absl(name), " is not a number"));
}

// Takes as long whatever is equal in them.
bool SameSignature(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

bool IsTrue(const KvParams& params, std::string_view name) { return Get(params, name) == "true"; }

// Nothing is taken that is not read: a prompt is computed by its flag alone, and what comes back is
// what was handed over.
absl::Status CheckNames(const KvParams& asked, bool prefill) {
  for (const auto& [name, text] : asked) {
    const bool known = prefill ? IsFlag(name) : std::ranges::count(kHandedOver, name) > 0;
    if (known) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("has '", name, "', which is not read here; ",
                     prefill ? "with do_remote_decode: true all others must be null"
                             : "send what was handed over as it came"));
  }
  return absl::OkStatus();
}

}  // namespace

bool IsFlag(std::string_view name) { return name.starts_with("do_"); }

const KvHandoffs* KvHandoffs::None() {
  static const KvHandoffs* const none = new KvHandoffs;
  return none;
}

absl::StatusOr<KvParams> KvHandoffs::Apply(const KvParams& asked, int64_t unix_seconds,
                                           ValidRequest* request) const {
  if (asked.empty()) return KvParams();
  const bool prefill = IsTrue(asked, kPrefill);
  const bool decode = IsTrue(asked, kDecode);
  if (!enabled()) {
    return absl::InvalidArgumentError(
        "this server has no kv_transfer: it neither sends nor takes KV; send the whole request");
  }
  if (prefill == decode) {
    return absl::InvalidArgumentError(
        "must have either do_remote_decode: true or do_remote_prefill: true");
  }
  if (prefill ? !settings_.computes_prompts : !settings_.decodes) {
    return absl::InvalidArgumentError(prefill ? "this server only decodes: kv_transfer's role"
                                              : "this server only computes prompts: kv_transfer's "
                                                "role");
  }
  WL_RETURN_IF_ERROR(CheckNames(asked, prefill));
  if (prefill) {
    if (request->max_tokens != 1) {
      return absl::InvalidArgumentError("do_remote_decode: true needs max_tokens: 1");
    }
    request->leg = KvLeg::kPrefill;
    return HandOver(*request, unix_seconds);
  }
  WL_RETURN_IF_ERROR(Check(asked, unix_seconds, *request));
  if (request->max_tokens == 0) {
    return absl::InvalidArgumentError("do_remote_prefill: true needs max_tokens of at least 1");
  }
  WL_RETURN_IF_ERROR(Take(asked, unix_seconds));
  request->leg = KvLeg::kDecode;
  return KvParams();
}

KvParams KvHandoffs::HandOver(const ValidRequest& request, int64_t unix_seconds) const {
  KvParams handed;
  handed.emplace(kDecode, "true");
  handed.emplace(kPrefill, "false");
  handed.emplace(kEngine, settings_.engine_id);
  handed.emplace(kRequest, request.request_id);
  handed.emplace(kTokens, absl::StrCat(request.prompt->size()));
  handed.emplace(kNumber, absl::StrCat(++handed_over_));
  handed.emplace(kComputed, absl::StrCat(unix_seconds));
  handed.emplace(kExpires, absl::StrCat(unix_seconds + settings_.keep_seconds));
  handed.emplace(kSignature, Sign(handed, request));
  return handed;
}

absl::Status KvHandoffs::Check(const KvParams& handed, int64_t unix_seconds,
                               const ValidRequest& request) const {
  if (Get(handed, kTokens) != absl::StrCat(request.prompt->size()) ||
      !SameSignature(Get(handed, kSignature), Sign(handed, request))) {
    return absl::FailedPreconditionError(
        "is not what a server with this key handed over for this prompt, model (name and weights) "
        "and tenant");
  }
  return CheckTimes(handed, unix_seconds);
}

absl::Status KvHandoffs::CheckTimes(const KvParams& handed, int64_t unix_seconds) const {
  WL_ASSIGN_OR_RETURN(const int64_t until, SecondsOf(handed, kExpires));
  WL_ASSIGN_OR_RETURN(const int64_t computed, SecondsOf(handed, kComputed));
  if (until < unix_seconds) {
    return absl::FailedPreconditionError(absl::StrCat("the prompt was kept until ", until,
                                                      " (Unix seconds), now it is ", unix_seconds));
  }
  if (computed > unix_seconds + kClockSkewSeconds) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the prompt was computed at ", computed, " (Unix seconds), now it is ", unix_seconds,
        " here: the clocks of the two servers may differ by ", kClockSkewSeconds, " s"));
  }
  if (computed < takes_from_unix_s()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the prompt was computed at ", computed, " (Unix seconds), and this server, which started ",
        "since, takes what was computed from ", takes_from_unix_s(),
        " on: it does not know what was taken before; compute the prompt again"));
  }
  return absl::OkStatus();
}

absl::Status KvHandoffs::Take(const KvParams& handed, int64_t unix_seconds) const {
  WL_ASSIGN_OR_RETURN(const int64_t until, SecondsOf(handed, kExpires));
  WL_ASSIGN_OR_RETURN(const int64_t computed, SecondsOf(handed, kComputed));
  const MutexLock lock(&mutex_);
  const auto valid = taken_.lower_bound({unix_seconds, ""});
  if (valid != taken_.begin()) {
    forgotten_until_ = std::max(forgotten_until_, std::prev(valid)->first);
  }
  taken_.erase(taken_.begin(), valid);
  if (until <= forgotten_until_) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the prompt was kept until ", until, " (Unix seconds), and of those kept until ",
        forgotten_until_, " this server no longer knows which it took, since its clock went ",
        "back; compute the prompt again"));
  }
  const std::pair<int64_t, std::string> entry{until, Get(handed, kSignature)};
  if (taken_.contains(entry)) {
    return absl::FailedPreconditionError(
        "was taken before: what is handed over is good for one request; compute the prompt again, "
        "or send the request whole");
  }
  if (taken_.size() == kMaxTaken) {
    return absl::ResourceExhaustedError(
        absl::StrCat("is one too many: ", kMaxTaken,
                     " were taken that have not expired; send the request whole"));
  }
  if (settings_.keep && computed > kept_) {
    WL_RETURN_IF_ERROR(settings_.keep(computed));
    kept_ = computed;
  }
  taken_.insert(entry);
  return absl::OkStatus();
}

std::string KvHandoffs::Sign(const KvParams& handed, const ValidRequest& request) const {
  std::string text;
  const auto found = settings_.weights.find(request.model);
  const std::string weights = found == settings_.weights.end() ? "" : absl::StrCat(found->second);
  for (const std::string_view part :
       {Get(handed, kEngine), Get(handed, kRequest), Get(handed, kNumber), Get(handed, kComputed),
        Get(handed, kExpires), std::string_view(request.model), std::string_view(weights),
        std::string_view(request.tenant)}) {
    absl::StrAppend(&text, part.size(), ":", Absl(part));
  }
  const std::vector<TokenId>& prompt = *request.prompt;
  text.append(reinterpret_cast<const char*>(prompt.data()), prompt.size() * sizeof(TokenId));
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  HMAC(EVP_sha256(), settings_.key.data(), static_cast<int>(settings_.key.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest, &size);
  return absl::BytesToHexString(absl::string_view(reinterpret_cast<const char*>(digest), size));
}

}  // namespace waferline::serving
