#include "wafer_backend/compute/plane/worker_checks.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"
#include "wafer_backend/compute/kernels/router.h"

namespace waferline::plane {
namespace {

constexpr uint64_t kMaxSize = uint64_t{1} << 28;
constexpr uint64_t kMaxSlots = uint64_t{1} << 20;
constexpr uint64_t kMaxBytes = uint64_t{1} << 50;
constexpr uint32_t kPagePart = 16;  // positions (kernels/kv_page.h)

absl::Status CheckRange(std::string_view name, uint64_t value, uint64_t min, uint64_t max) {
  if (value >= min && value <= max) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("the worker's ", Absl(name), " is ", value, ", expected ", min, " to ", max));
}

}  // namespace

absl::Status CheckHello(const link::HelloFrame& hello) {
  WL_RETURN_IF_ERROR(CheckRange("vocabulary", hello.vocabulary, 1, kMaxSize));
  WL_RETURN_IF_ERROR(CheckRange("context", hello.context, 1, kMaxSize));
  WL_RETURN_IF_ERROR(CheckRange("width", hello.width, 1, kMaxSize));
  WL_RETURN_IF_ERROR(CheckRange("layer_count", hello.layer_count, 1, kMaxSize));
  WL_RETURN_IF_ERROR(CheckRange("end_layer", hello.end_layer, 1, hello.layer_count));
  WL_RETURN_IF_ERROR(CheckRange("first_layer", hello.first_layer, 0, hello.end_layer - 1));
  WL_RETURN_IF_ERROR(CheckRange("page_tokens", hello.page_tokens, kPagePart, kMaxSize));
  if (hello.page_tokens % kPagePart != 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the worker's page_tokens is ", hello.page_tokens, ", expected a multiple of ", kPagePart));
  }
  if (hello.role == link::Role::kPrefill) return absl::OkStatus();
  WL_RETURN_IF_ERROR(CheckRange("slots", hello.slots, 1, kMaxSlots));
  return CheckRange("max_rows", hello.max_rows, 1, kMaxSize);
}

absl::Status CheckSameSizes(const link::HelloFrame& before, const link::HelloFrame& now) {
  const auto same = [](std::string_view name, uint64_t old_value, uint64_t new_value) {
    if (old_value == new_value) return absl::OkStatus();
    return absl::FailedPreconditionError(
        absl::StrCat("the worker came back with another ", Absl(name), ": ", new_value, ", was ",
                     old_value, "; restart it with its earlier options, or this server"));
  };
  WL_RETURN_IF_ERROR(same("vocabulary", before.vocabulary, now.vocabulary));
  WL_RETURN_IF_ERROR(same("context", before.context, now.context));
  WL_RETURN_IF_ERROR(same("page_tokens", before.page_tokens, now.page_tokens));
  WL_RETURN_IF_ERROR(same("slots", before.slots, now.slots));
  return same("max_rows", before.max_rows, now.max_rows);
}

absl::Status CheckMemory(const link::MemoryFrame& memory) {
  WL_RETURN_IF_ERROR(CheckRange("capacity", memory.capacity, 0, kMaxBytes));
  WL_RETURN_IF_ERROR(CheckRange("weights", memory.weights, 0, kMaxBytes));
  WL_RETURN_IF_ERROR(CheckRange("buffers", memory.buffers, 0, kMaxBytes));
  WL_RETURN_IF_ERROR(CheckRange("kv_per_page", memory.kv_per_page, 1, kMaxBytes));
  WL_RETURN_IF_ERROR(CheckRange("kv_reserved", memory.kv_reserved, 0, kMaxBytes));
  return CheckRange("expert_tokens", memory.expert_tokens.size(), 0, kernels::Router::kMaxExperts);
}

absl::Status CheckLogits(std::span<const float> logits, uint64_t rows, uint32_t vocabulary) {
  if (logits.size() != rows * vocabulary) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the worker sent ", logits.size(), " logits, expected ", rows, " rows of ", vocabulary));
  }
  return absl::OkStatus();
}

absl::Status CheckLogprob(const link::WireLogprob& wire, uint32_t vocabulary) {
  if (wire.top_ids.size() != wire.top_logprobs.size()) {
    return absl::InvalidArgumentError(absl::StrCat("the worker sent ", wire.top_ids.size(),
                                                   " alternatives with ", wire.top_logprobs.size(),
                                                   " log-probabilities"));
  }
  const auto known = [vocabulary](TokenId id) { return static_cast<uint32_t>(id) < vocabulary; };
  if (known(wire.id) && std::all_of(wire.top_ids.begin(), wire.top_ids.end(), known)) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat("the worker sent a token id outside its vocabulary of ", vocabulary));
}

}  // namespace waferline::plane
