#include <catch2/catch.hpp>
#include <numeric>

#include "server/kv_events/block_tracker.h"
#include "server/kv_events/msgpack.h"
#include "server/kv_events/publisher.h"

namespace waferline::kv_events {
namespace {

const engine::LaneIndex kLane{0};

struct Fixture {
  explicit Fixture(size_t tokens) {
    std::vector<TokenId> prompt(tokens);
    std::iota(prompt.begin(), prompt.end(), 100);
    outline = OutlineOf(prompt, 4, 0);
    request.prompt = std::make_shared<const std::vector<TokenId>>(prompt);
    tracker.AddReader(kLane, &queue);
  }
  void Store(size_t first, size_t count) {
    engine::SequenceInfo info{};
    info.lane = kLane;
    info.request = &request;
    tracker.OnBlocksStored(info, outline, first, count);
  }
  ValidRequest request;
  PromptOutline outline;
  BlockTracker tracker{1};
  EventQueue queue;
};

TEST_CASE("A block is stored once, with its tokens and the block before it") {
  Fixture f(14);  // three full blocks and a rest
  f.Store(0, 2);
  f.Store(2, 1);
  const auto events = f.queue.Take(10);
  REQUIRE(events.size() == 2);
  CHECK(events[0]->blocks == std::vector<uint64_t>{f.outline.blocks[0], f.outline.blocks[1]});
  CHECK_FALSE(events[0]->parent);
  CHECK(events[0]->tokens == std::vector<TokenId>{100, 101, 102, 103, 104, 105, 106, 107});
  CHECK(events[1]->parent == f.outline.blocks[1]);
  CHECK(events[1]->tokens.front() == 108);
  CHECK(events[1]->block_tokens == 4);
}

TEST_CASE("What two devices have is stored with the first and gone with the last") {
  Fixture f(16);
  f.Store(0, 2);
  f.Store(0, 4);  // another device: the first two are known
  auto events = f.queue.Take(10);
  REQUIRE(events.size() == 2);
  CHECK(events[1]->blocks == std::vector<uint64_t>{f.outline.blocks[2], f.outline.blocks[3]});
  f.tracker.OnBlockEvicted(kLane, f.outline.blocks[1]);
  CHECK(f.queue.Take(10).empty());
  f.tracker.OnBlockEvicted(kLane, f.outline.blocks[1]);
  events = f.queue.Take(10);
  REQUIRE(events.size() == 1);
  CHECK_FALSE(events[0]->stored);
  CHECK(events[0]->blocks == std::vector<uint64_t>{f.outline.blocks[1]});
  f.tracker.OnBlockEvicted(kLane, 12345);  // never seen: another lane's prompt without tokens
  CHECK(f.queue.Take(10).empty());
}

TEST_CASE("A known block in the middle parts the events around it") {
  Fixture f(16);
  f.Store(1, 1);
  f.Store(0, 4);
  const auto events = f.queue.Take(10);
  REQUIRE(events.size() == 3);
  CHECK(events[1]->blocks == std::vector<uint64_t>{f.outline.blocks[0]});
  CHECK(events[2]->blocks == std::vector<uint64_t>{f.outline.blocks[2], f.outline.blocks[3]});
  CHECK(events[2]->parent == f.outline.blocks[1]);
}

TEST_CASE("The queue is bounded and counts what it drops") {
  EventQueue queue;
  const auto event = std::make_shared<const Event>();
  for (size_t i = 0; i < EventQueue::kMaxEvents + 3; ++i) queue.Put(event);
  CHECK(queue.dropped() == 3);
  CHECK(queue.Take(SIZE_MAX).size() == EventQueue::kMaxEvents);
}

TEST_CASE("Values have their shortest msgpack form") {
  MsgPack out;
  const auto bytes = [&out](MsgPack&) {
    std::string hex;
    for (const char c : out.Release()) {
      constexpr char kDigits[] = "0123456789abcdef";
      hex += kDigits[static_cast<uint8_t>(c) >> 4];
      hex += kDigits[c & 15];
    }
    return hex;
  };
  CHECK(bytes(out.Unsigned(127)) == "7f");
  CHECK(bytes(out.Unsigned(128)) == "cc80");
  CHECK(bytes(out.Unsigned(65536)) == "ce00010000");
  CHECK(bytes(out.Unsigned(UINT64_MAX)) == "cfffffffffffffffff");
  CHECK(bytes(out.Double(1.0)) == "cb3ff0000000000000");
  CHECK(bytes(out.Text("ab").Nil()) == "a26162c0");
  CHECK(bytes(out.Array(3).Array(16)) == "93dc0010");
  CHECK(bytes(out.Map(2).Map(70000)) == "82df00011170");
  CHECK(bytes(out.Text(std::string(40, 'a'))).substr(0, 6) == "d92861");
}

TEST_CASE("An address that cannot be had is named") {
  EventQueue queue;
  CHECK(absl::IsInvalidArgument(Publisher::Start({.bind = "nonsense"}, &queue).status()));
  const auto first = Publisher::Start({.bind = "tcp://127.0.0.1:*"}, &queue);
  CHECK(first.ok());
  CHECK(absl::IsUnavailable(Publisher::Start({.bind = "tcp://203.0.113.1:5557"}, &queue).status()));
}

}  // namespace
}  // namespace waferline::kv_events
