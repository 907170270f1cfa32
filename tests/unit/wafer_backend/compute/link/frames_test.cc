#include <catch2/catch.hpp>
#include <concepts>
#include <cstring>

#include "tests/unit/wafer_backend/compute/link/random_frames.h"
#include "wafer_backend/compute/link/frame_codec.h"
#include "wafer_backend/compute/link/local_pipe.h"
#include "wafer_backend/compute/link/typed_link.h"

namespace waferline::link {
namespace {

template <typename Link, typename Frame>
concept Carries = requires(Link link, Frame frame) {
  link.Send(frame);
};

// Law 3, by the compiler: neighbours cannot exchange anything but activations.
static_assert(Carries<ActivationOutlet, ActivationFrame>);
static_assert(!Carries<ActivationOutlet, TokenFrame>);
static_assert(!Carries<ActivationOutlet, LogitsFrame>);
static_assert(!Carries<ActivationOutlet, KvFrame>);
static_assert(!Carries<ActivationOutlet, OpenFrame>);
static_assert(!Carries<KvOutlet, TokenFrame>);
// Nor a shard and a worker of experts anything but rows.
static_assert(Carries<LayerRowsOutlet, LayerRowsFrame>);
static_assert(!Carries<LayerRowsOutlet, ActivationFrame>);
static_assert(!Carries<LayerRowsOutlet, TokenFrame>);
static_assert(!Carries<LayerRowsOutlet, KvFrame>);

template <typename Frame>
void RoundTripAndDamage(SeededStream* random) {
  const Frame frame = RandomFrame<Frame>(random);
  std::vector<uint8_t> bytes;
  Encode(frame, &bytes);
  Frame back;
  REQUIRE(Decode(bytes, &back).ok());
  REQUIRE(back == frame);
  REQUIRE(PayloadBytes(frame) <= bytes.size() - kHeaderBytes);
  // Cut anywhere: an error, with the length field as it was and as it would be for the rest.
  for (size_t size = 0; size < bytes.size(); size += 1 + bytes.size() / 40) {
    std::vector<uint8_t> cut(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(size));
    REQUIRE_FALSE(Decode(cut, &back).ok());
    if (size < kHeaderBytes) continue;
    const auto length = static_cast<uint32_t>(size - kLengthBytes);
    std::memcpy(cut.data(), &length, sizeof(length));
    REQUIRE_FALSE(Decode(cut, &back).ok());
  }
  // Any byte changed: an error, or a frame that encodes to exactly those bytes.
  for (int i = 0; i < 40; ++i) {
    std::vector<uint8_t> damaged = bytes;
    damaged[random->Next() % damaged.size()] ^= static_cast<uint8_t>(1 + random->Next() % 255);
    if (!Decode(damaged, &back).ok()) continue;
    std::vector<uint8_t> again;
    Encode(back, &again);
    REQUIRE(again == damaged);
  }
  // Trailing bytes do not pass unnoticed.
  bytes.push_back(0);
  const auto length = static_cast<uint32_t>(bytes.size() - kLengthBytes);
  std::memcpy(bytes.data(), &length, sizeof(length));
  REQUIRE_FALSE(Decode(bytes, &back).ok());
}

TEMPLATE_TEST_CASE("every kind of frame survives the wire and damage is noticed", "", HelloFrame,
                   ActivationFrame, LayerRowsFrame, TokenFrame, LogitsFrame, KvFrame,
                   KvReceivedFrame, MemoryFrame, AskMemoryFrame, RefusedFrame, AssignFrame,
                   OpenFrame, CloseFrame, JoinFrame, AnswerFrame, ShardsFrame, PrefillFrame,
                   HandOffFrame, CancelFrame, PrefilledFrame, PromptLogprobsFrame, HandedOffFrame) {
  const uint64_t seed = 31;
  SeededStream random(seed);
  for (int run = 0; run < 60; ++run) {
    INFO("seed " << seed << " run " << run);
    RoundTripAndDamage<TestType>(&random);
  }
}

TEST_CASE("a count that the frame does not back reserves nothing") {
  std::vector<uint8_t> bytes;
  Encode(TokenFrame{1, {{2, 3}}, {4}}, &bytes);
  const uint32_t huge = 0xffffffff;
  std::memcpy(bytes.data() + kHeaderBytes + 8, &huge, sizeof(huge));  // the count of rows
  TokenFrame back;
  REQUIRE(Decode(bytes, &back).code() == absl::StatusCode::kInvalidArgument);
  REQUIRE(back.rows.capacity() < 1000);
}

TEST_CASE("counts of rows that only fit when they wrap around are refused") {
  LayerRowsFrame frame{
      .exchange = 1, .layer = 2, .width = 1u << 31, .counts = {1u << 31, 1u << 31}};
  frame.counts.resize(8, 1u << 31);  // 2^34 rows of 2^31 values: 2^65
  std::vector<uint8_t> bytes;
  Encode(frame, &bytes);
  LayerRowsFrame back;
  REQUIRE(Decode(bytes, &back).code() == absl::StatusCode::kInvalidArgument);
}

TEST_CASE("another version and an absurd length are named") {
  std::vector<uint8_t> bytes;
  Encode(CloseFrame{7}, &bytes);
  bytes[4] = kFrameVersion + 1;
  REQUIRE(std::string(KindOf(bytes).status().message()).find("version") != std::string::npos);
  const uint32_t huge = 0xfffffff0;
  std::memcpy(bytes.data(), &huge, sizeof(huge));
  REQUIRE_FALSE(FrameSize(bytes).ok());
}

TEST_CASE("a status crosses the wire whole, and an error never arrives without a message") {
  const absl::Status full = absl::ResourceExhaustedError("no page");
  CHECK(StatusOf(CodeOf(full), std::string(full.message())) == full);
  CHECK(StatusOf(CodeOf(absl::OkStatus()), "").ok());
  CHECK(!StatusOf(CodeOf(full), "").message().empty());
  CHECK(!StatusOf(4000000000, "").message().empty());
}

TEST_CASE("an activation link's bytes are rows x width x 4 and framing, and it refuses the rest") {
  LocalPipe pipe(2);
  ActivationOutlet outlet(&pipe);
  ActivationInlet inlet;
  std::vector<uint8_t> buffer;
  uint64_t rows = 0, frames = 0;
  SeededStream random(5);
  for (int i = 0; i < 50; ++i) {
    ActivationFrame frame = RandomFrame<ActivationFrame>(&random);
    frame.width = 48;
    frame.hidden.resize(frame.rows.size() * frame.width);
    REQUIRE(outlet.Send(frame).ok());
    rows += frame.rows.size();
    ++frames;
    REQUIRE(pipe.Take(&buffer));
    REQUIRE(inlet
                .Accept(buffer,
                        [&](const ActivationFrame& got) {
                          return got == frame ? absl::OkStatus() : absl::InternalError("differs");
                        })
                .ok());
  }
  REQUIRE(outlet.sent().payload == rows * 48 * sizeof(float));
  // Header, step, width and two counts of a frame; slot and position of a row.
  REQUIRE(outlet.sent().framing == frames * (kHeaderBytes + 8 + 4 + 4 + 4) + rows * 8);
  REQUIRE(inlet.received().payload == outlet.sent().payload);
  REQUIRE(inlet.received().framing == outlet.sent().framing);

  Encode(TokenFrame{1, {{2, 3}}, {4}}, &buffer);
  const auto status = inlet.Accept(buffer, [](const auto&) { return absl::OkStatus(); });
  REQUIRE(status.code() == absl::StatusCode::kInvalidArgument);
}

TEST_CASE("a full window says so and takes nothing; a closed link is unavailable") {
  LocalPipe pipe(2);
  Outlet<CloseFrame> outlet(&pipe);
  REQUIRE(outlet.Send(CloseFrame{1}).ok());
  REQUIRE(outlet.Send(CloseFrame{2}).ok());
  REQUIRE_FALSE(outlet.HasRoom());
  REQUIRE(outlet.Send(CloseFrame{3}).code() == absl::StatusCode::kResourceExhausted);
  REQUIRE(outlet.sent().frames == 2);
  std::vector<uint8_t> buffer;
  REQUIRE(pipe.Take(&buffer));
  REQUIRE(outlet.HasRoom());
  pipe.Close();
  REQUIRE(outlet.Send(CloseFrame{3}).code() == absl::StatusCode::kUnavailable);
  REQUIRE(pipe.Take(&buffer));
  REQUIRE_FALSE(pipe.Take(&buffer));
}

}  // namespace
}  // namespace waferline::link
