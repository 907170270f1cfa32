// A prompt as the scheduler needs it: how long it is and which of its blocks equal those of other
// prompts. The hash of a block covers everything before it, so two prompts share a prefix of n
// blocks exactly if their n-th hashes are equal (up to 64-bit collisions, which would cost a wrong
// instant, never a wrong token). A plain value.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "wafer_backend/base/ids.h"

namespace waferline {

struct PromptOutline {
  uint32_t tokens = 0;
  uint32_t block_tokens = 0;     // tokens a block; the last one may be partly filled
  std::vector<uint64_t> blocks;  // empty: shares nothing with anyone
};

// `salt` (tenant and cache_salt) separates prompts that must not share.
PromptOutline OutlineOf(std::span<const TokenId> prompt, uint32_t block_tokens, uint64_t salt);
// From block ids of a trace (equal ids at equal places = equal content).
PromptOutline OutlineOf(uint32_t tokens, uint32_t block_tokens, std::span<const uint64_t> ids,
                        uint64_t salt);
uint64_t SaltOf(std::string_view tenant, std::string_view cache_salt);

}  // namespace waferline
