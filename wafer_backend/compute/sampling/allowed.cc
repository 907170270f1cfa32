#include "wafer_backend/compute/sampling/allowed.h"

#include <algorithm>

#include "wafer_backend/compute/sampling/logit_scan.h"

namespace waferline::sampling {

void KeepAllowed(const AllowedTokens& allowed, Workspace* workspace, std::span<float> logits) {
  if (allowed.bits.empty()) {
    std::vector<float>& kept = workspace->kept;
    kept.clear();
    for (const TokenId id : allowed.few) {
      const auto at = static_cast<size_t>(id);
      kept.push_back(at < logits.size() ? logits[at] : kMasked);
    }
    std::fill(logits.begin(), logits.end(), kMasked);
    for (size_t i = 0; i < kept.size(); ++i) {
      if (const auto at = static_cast<size_t>(allowed.few[i]); at < logits.size()) {
        logits[at] = kept[i];
      }
    }
    return;
  }
  for (size_t i = 0; i < logits.size(); i += 64) {
    const uint64_t word = i / 64 < allowed.bits.size() ? allowed.bits[i / 64] : 0;
    const size_t end = std::min<size_t>(64, logits.size() - i);
    if (word == ~uint64_t{0}) continue;
    if (word == 0) {
      std::fill_n(logits.begin() + static_cast<ptrdiff_t>(i), end, kMasked);
      continue;
    }
    for (size_t k = 0; k < end; ++k) {
      if ((word >> k & 1) == 0) logits[i + k] = kMasked;
    }
  }
}

}  // namespace waferline::sampling
