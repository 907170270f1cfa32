#include "wafer_backend/compute/plane/prediction_drafter.h"

namespace waferline::plane {

void PredictionDrafter::Draft(std::span<DraftRequest> requests) {
  for (DraftRequest& request : requests) {
    if (request.prediction == nullptr || request.max_tokens == 0) continue;
    Followed& one =
        followed_.try_emplace(request.job, Followed{PredictionCursor(request.prediction)})
            .first->second;
    const std::span<const TokenId> answer = request.text.last(request.next_index);
    for (; one.tokens < answer.size(); ++one.tokens) one.cursor.Append(answer[one.tokens]);
    const std::span<const TokenId> expected = one.cursor.Expected(request.max_tokens);
    request.draft->assign(expected.begin(), expected.end());
  }
}

}  // namespace waferline::plane
