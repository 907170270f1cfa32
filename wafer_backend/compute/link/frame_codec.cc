#include "wafer_backend/compute/link/frame_codec.h"

#include <cstring>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/check.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/compute/link/wire.h"

namespace waferline::link {
namespace {

// Do the arrays of a frame fit together? Products are taken in 64 bits of 32-bit counts.
bool Fits(const TokenFrame& f) { return f.rows.size() == f.tokens.size(); }
bool Fits(const ActivationFrame& f) {
  return static_cast<uint64_t>(f.rows.size()) * f.width == f.hidden.size();
}
bool Fits(const LayerRowsFrame& f) {
  uint64_t rows = 0;
  for (const uint32_t count : f.counts) rows += count;
  return rows <= f.hidden.size() && rows * f.width == f.hidden.size();
}
bool Fits(const LogitsFrame& f) {
  return f.vocabulary == 0 ? f.logits.empty() : f.logits.size() % f.vocabulary == 0;
}
bool Fits(const PrefillFrame& f) { return f.prompt_tokens <= f.tokens.size() && f.vector <= 2; }
bool Fits(const PromptLogprobsFrame& f) {
  for (const WireLogprob& value : f.values) {
    if (value.top_ids.size() != value.top_logprobs.size()) return false;
  }
  return true;
}
bool Fits(const HelloFrame& f) {
  return f.role >= Role::kDriver && f.role <= Role::kAttention &&
         f.credentials.cell.size() <= membership::kMaxNameBytes &&
         f.credentials.worker.size() <= membership::kMaxNameBytes;
}
bool Fits(const AnswerFrame& f) {
  return f.to >= AnswerFrame::To::kOpen && f.to <= AnswerFrame::To::kAssign;
}
template <typename Frame>
bool Fits(const Frame&) {
  return true;
}

}  // namespace

absl::StatusOr<size_t> FrameSize(std::span<const uint8_t> start) {
  WL_CHECK(start.size() >= kLengthBytes);
  uint32_t length = 0;
  std::memcpy(&length, start.data(), sizeof(length));
  const size_t size = kLengthBytes + length;
  if (size < kHeaderBytes || size > kMaxFrameBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("a frame of ", size, " bytes; between ", kHeaderBytes, " and ", kMaxFrameBytes,
                     " are allowed. Is the peer a waferd of this version?"));
  }
  return size;
}

absl::StatusOr<FrameKind> KindOf(std::span<const uint8_t> frame) {
  if (frame.size() < kHeaderBytes)
    return absl::InvalidArgumentError("a frame shorter than its header");
  WL_ASSIGN_OR_RETURN(const size_t size, FrameSize(frame));
  if (size != frame.size())
    return absl::InvalidArgumentError("a frame that differs in size from its length field");
  if (frame[4] != kFrameVersion) {
    return absl::FailedPreconditionError(absl::StrCat("frame version ", frame[4],
                                                      ", this side speaks ", kFrameVersion,
                                                      ": start the same waferd on both sides"));
  }
  if (frame[6] != 0 || frame[7] != 0) {
    return absl::InvalidArgumentError("a frame whose header does not end in zeros");
  }
  return static_cast<FrameKind>(frame[5]);
}

std::vector<uint8_t> HeartbeatBytes() {
  std::vector<uint8_t> out;
  WireWriter writer(&out);
  writer(static_cast<uint32_t>(kHeaderBytes - kLengthBytes));
  writer(kFrameVersion);
  writer(FrameKind::kHeartbeat);
  writer(uint16_t{0});
  return out;
}

template <typename Frame>
void Encode(const Frame& frame, std::vector<uint8_t>* out) {
  out->clear();
  WireWriter writer(out);
  writer(uint32_t{0});
  writer(kFrameVersion);
  writer(Frame::kKind);
  writer(uint16_t{0});
  writer.Each(frame);
  WL_CHECK(out->size() <= kMaxFrameBytes);
  const auto length = static_cast<uint32_t>(out->size() - kLengthBytes);
  std::memcpy(out->data(), &length, sizeof(length));
}

template <typename Frame>
absl::Status Decode(std::span<const uint8_t> frame, Frame* out) {
  WL_ASSIGN_OR_RETURN(const FrameKind kind, KindOf(frame));
  if (kind != Frame::kKind) {
    return absl::InvalidArgumentError(absl::StrCat(
        "frame kind ", static_cast<int>(kind), ", expected kind ", static_cast<int>(Frame::kKind)));
  }
  WireReader reader(frame.subspan(kHeaderBytes));
  reader.Each(*out);
  if (!reader.complete() || !Fits(*out)) {
    return absl::InvalidArgumentError(
        absl::StrCat("a frame of kind ", static_cast<int>(kind),
                     " whose element counts do not match its length"));
  }
  return absl::OkStatus();
}

#define WL_CODEC(Frame)                                             \
  template void Encode<Frame>(const Frame&, std::vector<uint8_t>*); \
  template absl::Status Decode<Frame>(std::span<const uint8_t>, Frame*);
WL_CODEC(HelloFrame)
WL_CODEC(ActivationFrame)
WL_CODEC(LayerRowsFrame)
WL_CODEC(TokenFrame)
WL_CODEC(LogitsFrame)
WL_CODEC(KvFrame)
WL_CODEC(KvReceivedFrame)
WL_CODEC(MemoryFrame)
WL_CODEC(AskMemoryFrame)
WL_CODEC(RefusedFrame)
WL_CODEC(AssignFrame)
WL_CODEC(OpenFrame)
WL_CODEC(CloseFrame)
WL_CODEC(JoinFrame)
WL_CODEC(AnswerFrame)
WL_CODEC(ShardsFrame)
WL_CODEC(PrefillFrame)
WL_CODEC(HandOffFrame)
WL_CODEC(CancelFrame)
WL_CODEC(PrefilledFrame)
WL_CODEC(PromptLogprobsFrame)
WL_CODEC(HandedOffFrame)
#undef WL_CODEC

}  // namespace waferline::link
