// What the engine protocols say about this server; does not change while it runs. A value.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace waferline::engines {

// Where routers read what prefix caches hold (server/kv_events), in ZeroMQ's addresses.
struct KvEventSource {
  std::string endpoint;
  std::string topic;
  std::string replay;  // "": none
};

struct EngineFacts {
  std::string model;         // which of the served ones
  std::string model_source;  // a folder or repository with its tokenizer's files
  std::string version;       // of Waferline
  std::string instance;      // another one after each start
  uint32_t block_tokens = 0;
  uint64_t kv_blocks = 0;
  uint64_t max_running = 0;  // sequences that hold a slot at once
  std::optional<KvEventSource> kv_events;

  // Routers name the model by either.
  bool Serves(const std::string& name) const { return name == model || name == model_source; }
};

}  // namespace waferline::engines
