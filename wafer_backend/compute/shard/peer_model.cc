#include "wafer_backend/compute/shard/peer_model.h"

#include "absl/strings/str_cat.h"

namespace waferline::shard {

link::HelloFrame HelloFor(link::Role role, const model::ModelShape& shape, uint64_t fingerprint) {
  link::HelloFrame hello;
  hello.role = role;
  hello.model_fingerprint = fingerprint;
  hello.layer_count = static_cast<uint32_t>(shape.layers);
  hello.width = static_cast<uint32_t>(shape.hidden);
  hello.vocabulary = static_cast<uint32_t>(shape.vocabulary);
  hello.context = static_cast<uint32_t>(shape.context);
  hello.end_expert = static_cast<uint32_t>(shape.experts.router.experts);
  return hello;
}

link::HelloFrame HelloFor(link::Role role, const PackedModel& model, LayerRange range,
                          int64_t page_tokens) {
  link::HelloFrame hello = HelloFor(role, model.shape(), model.fingerprint());
  hello.first_layer = static_cast<uint32_t>(range.first);
  hello.end_layer = static_cast<uint32_t>(range.end);
  hello.page_tokens = static_cast<uint32_t>(page_tokens);
  hello.first_expert = static_cast<uint32_t>(model.experts().first);
  hello.end_expert = static_cast<uint32_t>(model.experts().end);
  return hello;
}

absl::Status SameModel(const link::HelloFrame& ours, const link::HelloFrame& theirs) {
  if (ours.model_fingerprint != theirs.model_fingerprint) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the peer loaded a different model file (fingerprint ", absl::Hex(theirs.model_fingerprint),
        ", here ", absl::Hex(ours.model_fingerprint), "); all workers need the same"));
  }
  if (ours.page_tokens != 0 && theirs.page_tokens != 0 && ours.page_tokens != theirs.page_tokens) {
    return absl::FailedPreconditionError(absl::StrCat("the peer's KV pages hold ",
                                                      theirs.page_tokens, " positions, here ",
                                                      ours.page_tokens, "; set them equal"));
  }
  return absl::OkStatus();
}

}  // namespace waferline::shard
