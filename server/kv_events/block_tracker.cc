#include "server/kv_events/block_tracker.h"

#include <memory>
#include <utility>

namespace waferline::kv_events {

void BlockTracker::Put(const Lane& lane, Event event) {
  const auto shared = std::make_shared<const Event>(std::move(event));
  for (EventQueue* reader : lane.readers) reader->Put(shared);
}

void BlockTracker::OnBlocksStored(const engine::SequenceInfo& sequence,
                                  const PromptOutline& outline, size_t first, size_t count) {
  Lane& lane = lanes_[sequence.lane.value];
  const ValidRequest& request = *sequence.request;
  if (lane.readers.empty() || request.prompt == nullptr) return;
  const std::vector<TokenId>& prompt = *request.prompt;
  const std::vector<uint64_t>& blocks = outline.blocks;
  const uint32_t size = outline.block_tokens;
  for (size_t i = first; i < first + count;) {
    if (lane.devices[blocks[i]]++ > 0) {
      ++i;
      continue;
    }
    Event event{.stored = true, .block_tokens = size, .salt = request.cache_salt};
    if (i > 0) event.parent = blocks[i - 1];
    // Those that follow and are new too.
    do {
      event.blocks.push_back(blocks[i]);
      const auto tokens = prompt.begin() + static_cast<ptrdiff_t>(i * size);
      event.tokens.insert(event.tokens.end(), tokens, tokens + size);
      ++i;
    } while (i < first + count && !lane.devices.contains(blocks[i]) &&
             lane.devices[blocks[i]]++ == 0);
    Put(lane, std::move(event));
  }
}

void BlockTracker::OnBlockEvicted(engine::LaneIndex index, uint64_t block) {
  Lane& lane = lanes_[index.value];
  const auto found = lane.devices.find(block);
  if (found == lane.devices.end() || --found->second > 0) return;
  lane.devices.erase(found);
  Put(lane, {.blocks = {block}});
}

}  // namespace waferline::kv_events
