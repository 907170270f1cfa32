#include "wafer_backend/compute/plane/lookup_drafter.h"

#include <algorithm>

#include "wafer_backend/base/seeded_stream.h"

namespace waferline::plane {
namespace {

uint64_t HashOf(std::span<const TokenId> run) {
  uint64_t hash = run.size();
  for (const TokenId id : run) hash = Mix(hash ^ static_cast<uint32_t>(id));
  return hash;
}

}  // namespace

void LookupDrafter::Draft(std::span<DraftRequest> requests) {
  for (DraftRequest& request : requests) {
    if (request.max_tokens == 0 || !request.draft->empty()) continue;
    const std::span<const TokenId> text = request.text;
    Index& index = indexes_[request.job];
    // Runs that end before the last token, so that something follows each.
    for (; index.indexed + 1 < text.size(); ++index.indexed) {
      const size_t end = index.indexed + 1;
      for (size_t length = kShortest; length <= std::min(kLongest, end); ++length) {
        index.after[HashOf(text.subspan(end - length, length))] = static_cast<uint32_t>(end);
      }
    }
    for (size_t length = std::min(kLongest, text.size()); length >= kShortest; --length) {
      const auto last = text.last(length);
      const auto found = index.after.find(HashOf(last));
      if (found == index.after.end()) continue;
      const size_t at = found->second;
      if (!std::equal(last.begin(), last.end(), text.begin() + static_cast<ptrdiff_t>(at - length)))
        continue;
      // What followed then; a run that reaches the end of the text goes on as it began.
      const size_t period = text.size() - at;
      for (size_t i = 0; i < request.max_tokens; ++i)
        request.draft->push_back(text[at + i % period]);
      break;
    }
  }
}

}  // namespace waferline::plane
