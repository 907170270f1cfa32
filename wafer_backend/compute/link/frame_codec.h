// Frames as bytes, the same in a process and over TCP:
//   u32 length of what follows | u8 version | u8 kind | u16 zero | fields in the order of Fields()
// little-endian. Plain functions, any thread. Decoding never reads past the frame, reserves nothing
// that the frame does not back with bytes, and checks that the arrays of a frame fit together;
// whether slots, positions and layers exist is for the receiver to check.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "wafer_backend/compute/link/frames.h"

namespace waferline::link {

constexpr uint8_t kFrameVersion = 5;
constexpr size_t kLengthBytes = 4;
constexpr size_t kHeaderBytes = 8;
// Bounds what a peer can make us gather: 1024 rows of 65,536 floats.
constexpr size_t kMaxFrameBytes = size_t{256} << 20;

// The whole frame's size, header included, from its first kLengthBytes. InvalidArgument if it is
// shorter than a header or longer than kMaxFrameBytes.
absl::StatusOr<size_t> FrameSize(std::span<const uint8_t> start);

// The kind of a whole frame. InvalidArgument for a length that is not its own, FailedPrecondition
// naming both for another version.
absl::StatusOr<FrameKind> KindOf(std::span<const uint8_t> frame);

// A whole frame without fields, which connections send and take themselves (link/liveness.h).
std::vector<uint8_t> HeartbeatBytes();

// Replaces `out`.
template <typename Frame>
void Encode(const Frame& frame, std::vector<uint8_t>* out);

// Fills `out`, reusing its memory. InvalidArgument, `out` then unspecified, if `frame` is not
// exactly one well-formed frame of this kind.
template <typename Frame>
absl::Status Decode(std::span<const uint8_t> frame, Frame* out);

// The bytes of a frame that are its load (hidden values, tokens, logits, keys and values); the rest
// is framing.
template <typename Frame>
size_t PayloadBytes(const Frame& frame) {
  if constexpr (requires { frame.hidden; }) return frame.hidden.size() * sizeof(float);
  if constexpr (requires { frame.logits; }) return frame.logits.size() * sizeof(float);
  if constexpr (requires { frame.tokens; }) return frame.tokens.size() * sizeof(TokenId);
  if constexpr (requires { frame.data; }) return frame.data.size();
  return 0;
}

}  // namespace waferline::link
