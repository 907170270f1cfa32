#include "scheduler/request/prompt_outline.h"

#include <algorithm>

#include "wafer_backend/base/seeded_stream.h"

namespace waferline {

PromptOutline OutlineOf(std::span<const TokenId> prompt, uint32_t block_tokens, uint64_t salt) {
  PromptOutline outline{static_cast<uint32_t>(prompt.size()), block_tokens, {}};
  if (block_tokens == 0) return outline;
  outline.blocks.reserve(prompt.size() / block_tokens);
  uint64_t hash = salt;
  for (size_t i = 0; i < prompt.size(); ++i) {
    hash = Mix(hash ^ static_cast<uint32_t>(prompt[i]));
    // Only full blocks can be shared: what follows a partial one is not known yet.
    if ((i + 1) % block_tokens == 0) outline.blocks.push_back(hash);
  }
  return outline;
}

PromptOutline OutlineOf(uint32_t tokens, uint32_t block_tokens, std::span<const uint64_t> ids,
                        uint64_t salt) {
  PromptOutline outline{tokens, block_tokens, {}};
  if (block_tokens == 0) return outline;
  // A trace names its partly filled last block too: it cannot be shared.
  ids = ids.first(std::min<size_t>(ids.size(), tokens / block_tokens));
  outline.blocks.reserve(ids.size());
  uint64_t hash = salt;
  for (const uint64_t id : ids) outline.blocks.push_back(hash = Mix(hash ^ Mix(id)));
  return outline;
}

uint64_t SaltOf(std::string_view tenant, std::string_view cache_salt) {
  uint64_t hash = 0;
  for (const char c : tenant) hash = Mix(hash ^ static_cast<unsigned char>(c));
  hash = Mix(hash ^ 0x100);  // "a" + "b" is not "ab" + ""
  for (const char c : cache_salt) hash = Mix(hash ^ static_cast<unsigned char>(c));
  return hash;
}

}  // namespace waferline
