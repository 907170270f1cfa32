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
  KeepWhereSet(allowed.bits, logits);
}

}  // namespace waferline::sampling
