// Frames made of a fuzzer's bytes: well-formed ones with small numbers, so that the states behind
// the first checks are reached, and the same with some of their bytes altered.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "tests/fuzz/input.h"
#include "wafer_backend/base/check.h"
#include "wafer_backend/compute/link/frame_codec.h"

namespace waferline::fuzz {

template <typename Frame>
std::vector<uint8_t> Encoded(const Frame& frame) {
  std::vector<uint8_t> bytes;
  link::Encode(frame, &bytes);
  return bytes;
}

// Any bytes as the fields of a frame of some kind.
inline std::vector<uint8_t> RawFrame(Input* input) {
  std::vector<uint8_t> frame = {0, 0, 0, 0, link::kFrameVersion, input->Byte(), 0, 0};
  const std::vector<uint8_t> fields = input->Bytes(input->Byte());
  frame.insert(frame.end(), fields.begin(), fields.end());
  const auto length = static_cast<uint32_t>(frame.size() - link::kLengthBytes);
  for (int i = 0; i < 4; ++i) frame[i] = static_cast<uint8_t>(length >> (8 * i));
  return frame;
}

// One time in four, some bytes behind the header become others.
inline void Alter(Input* input, std::vector<uint8_t>* frame) {
  const uint8_t how = input->Byte();
  if (how < 192 || frame->size() <= link::kHeaderBytes) return;
  for (int i = 0; i <= how % 4; ++i) {
    const size_t at = link::kHeaderBytes + input->Below(frame->size() - link::kHeaderBytes);
    (*frame)[at] = input->Byte();
  }
}

// Takes the whole frames off the front of what was sent; every one is well-formed.
template <typename Call>  // void(std::span<const uint8_t> frame)
void TakeFrames(std::vector<uint8_t>* sent, const Call& call) {
  std::span<const uint8_t> rest = *sent;
  while (rest.size() >= link::kLengthBytes) {
    const auto size = link::FrameSize(rest);
    WL_CHECK(size.ok());
    if (*size > rest.size()) break;
    WL_CHECK(link::KindOf(rest.first(*size)).ok());
    call(rest.first(*size));
    rest = rest.subspan(*size);
  }
  sent->erase(sent->begin(), sent->end() - static_cast<ptrdiff_t>(rest.size()));
}

}  // namespace waferline::fuzz
