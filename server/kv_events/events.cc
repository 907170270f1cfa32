#include "server/kv_events/events.h"

#include <algorithm>

#include "server/kv_events/msgpack.h"

namespace waferline::kv_events {
namespace {

void AppendStored(const Event& event, MsgPack* out) {
  out->Map(event.salt.empty() ? 8 : 9);
  out->Text("type").Text("BlockStored");
  out->Text("block_hashes").Array(event.blocks.size());
  for (const uint64_t block : event.blocks) out->Unsigned(block);
  out->Text("parent_block_hash");
  event.parent ? out->Unsigned(*event.parent) : out->Nil();
  out->Text("token_ids").Array(event.tokens.size());
  for (const TokenId token : event.tokens) out->Unsigned(static_cast<uint64_t>(token));
  out->Text("block_size").Unsigned(event.block_tokens);
  out->Text("lora_id").Nil();
  out->Text("medium").Text("GPU");
  out->Text("lora_name").Nil();
  if (event.salt.empty()) return;
  // For each block what else its hash depends on: the first one's salt.
  out->Text("extra_keys").Array(event.blocks.size());
  for (size_t i = 0; i < event.blocks.size(); ++i) {
    i == 0 && !event.parent ? out->Array(1).Text(event.salt) : out->Nil();
  }
}

void AppendRemoved(const Event& event, MsgPack* out) {
  out->Map(3).Text("type").Text("BlockRemoved");
  out->Text("block_hashes").Array(event.blocks.size());
  for (const uint64_t block : event.blocks) out->Unsigned(block);
  out->Text("medium").Text("GPU");
}

}  // namespace

void EventQueue::Put(std::shared_ptr<const Event> event) {
  const MutexLock lock(&mutex_);
  if (events_.size() < kMaxEvents) {
    events_.push_back(std::move(event));
  } else {
    ++dropped_;
  }
}

std::vector<std::shared_ptr<const Event>> EventQueue::Take(size_t most) {
  const MutexLock lock(&mutex_);
  const auto end = events_.begin() + static_cast<ptrdiff_t>(std::min(most, events_.size()));
  std::vector<std::shared_ptr<const Event>> taken(events_.begin(), end);
  events_.erase(events_.begin(), end);
  return taken;
}

uint64_t EventQueue::dropped() const {
  const MutexLock lock(&mutex_);
  return dropped_;
}

std::string EncodeBatch(double unix_seconds,
                        const std::vector<std::shared_ptr<const Event>>& events) {
  MsgPack out;
  out.Array(3).Double(unix_seconds).Array(events.size());
  for (const auto& event : events) {
    event->stored ? AppendStored(*event, &out) : AppendRemoved(*event, &out);
  }
  return out.Unsigned(0).Release();
}

}  // namespace waferline::kv_events
