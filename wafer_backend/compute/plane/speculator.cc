#include "wafer_backend/compute/plane/speculator.h"

#include <algorithm>
#include <utility>

#include "wafer_backend/base/status.h"
#include "wafer_backend/compute/plane/lookup_drafter.h"
#include "wafer_backend/compute/plane/model_drafter.h"
#include "wafer_backend/compute/plane/prediction_drafter.h"

namespace waferline::plane {
namespace {
constexpr uint32_t kLongestRest = 31;
}  // namespace

absl::StatusOr<std::unique_ptr<Speculator>> Speculator::Create(const SpeculationOptions& options,
                                                               int64_t vocabulary,
                                                               kernels::ThreadPool* pool) {
  if (options.max_tokens < 1 || options.max_sequences < 1) {
    return absl::InvalidArgumentError(
        "speculation: max_tokens and max_sequences must be at least 1");
  }
  std::unique_ptr<Speculator> speculator(new Speculator(options));
  speculator->drafters_.push_back(std::make_unique<PredictionDrafter>());
  if (options.lookup) speculator->drafters_.push_back(std::make_unique<LookupDrafter>());
  if (options.draft != nullptr) {
    WL_ASSIGN_OR_RETURN(auto drafter, ModelDrafter::Create(options.draft, vocabulary, pool));
    speculator->drafters_.push_back(std::move(drafter));
  }
  return speculator;
}

void Speculator::Propose(std::span<DraftRequest> requests) {
  if (requests.size() > options_.max_sequences) return;
  for (DraftRequest& request : requests) {
    Record& record = records_[request.job];
    if (record.resting > 0) {
      --record.resting;
      request.max_tokens = 0;
    }
    request.max_tokens = std::min({request.max_tokens, record.length, options_.max_tokens});
  }
  for (const auto& drafter : drafters_) drafter->Draft(requests);
}

void Speculator::Learn(uint64_t job, uint32_t drafted, uint32_t accepted) {
  if (drafted == 0) return;
  Record& record = records_[job];
  if (accepted == drafted) {
    record.length = std::min(record.length * 2, options_.max_tokens);
    record.penalty = 0;
  } else if (accepted > 0) {
    record.length = accepted + 1;
    record.penalty = 0;
  } else {
    record.length = std::max(record.length / 2, 1u);
    record.penalty = std::min(record.penalty * 2 + 1, kLongestRest);
    record.resting = record.penalty;
  }
}

void Speculator::Forget(uint64_t job) {
  records_.erase(job);
  for (const auto& drafter : drafters_) drafter->Forget(job);
}

}  // namespace waferline::plane
