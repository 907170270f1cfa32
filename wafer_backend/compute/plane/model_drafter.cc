#include "wafer_backend/compute/plane/model_drafter.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/seeded_stream.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/compute/model/families/families.h"
#include "wafer_backend/compute/sampling/logit_scan.h"

namespace waferline::plane {

ModelDrafter::ModelDrafter(std::shared_ptr<const shard::PackedModel> model,
                           kernels::ThreadPool* pool)
    : model_(std::move(model)),
      stack_(model_, {.range = model_->range(), .max_rows = kMaxRows}, pool),
      pages_(stack_.kv()) {
  hidden_.resize(static_cast<size_t>(kMaxRows * model_->shape().hidden));
}

absl::StatusOr<std::unique_ptr<ModelDrafter>> ModelDrafter::Create(
    std::shared_ptr<const model::GgufFile> file, int64_t vocabulary, kernels::ThreadPool* pool) {
  WL_ASSIGN_OR_RETURN(const auto shape, model::ReadShape(*file));
  if (shape.vocabulary != vocabulary) {
    return absl::InvalidArgumentError(
        absl::StrCat("the draft model has a vocabulary of ", shape.vocabulary,
                     ", the model it drafts for one of ", vocabulary, "; they must be the same"));
  }
  WL_ASSIGN_OR_RETURN(auto model,
                      shard::PackedModel::Load(std::move(file), {0, shape.layers}, pool));
  return std::unique_ptr<ModelDrafter>(new ModelDrafter(std::move(model), pool));
}

ModelDrafter::State* ModelDrafter::StateOf(const DraftRequest& request) {
  State& state = states_.try_emplace(request.job, &pages_).first->second;
  // Guesses that came true need not be fed again; the last token always is, for its logits.
  size_t agreed = 0;
  while (agreed < state.guessed.size() && state.fed + agreed + 1 < request.text.size() &&
         state.guessed[agreed] == request.text[state.fed + agreed]) {
    ++agreed;
  }
  state.fed = std::min(state.fed + agreed, request.text.size() - 1);
  state.guessed.clear();
  return &state;
}

void ModelDrafter::Draft(std::span<DraftRequest> requests) {
  CatchUp(requests);
  while (!writing_.empty()) WriteOn();
}

void ModelDrafter::CatchUp(std::span<DraftRequest> requests) {
  const int64_t width = model_->shape().hidden;
  runs_.clear();
  writing_.clear();
  int64_t rows = 0;
  for (DraftRequest& request : requests) {
    const auto context = static_cast<size_t>(model_->shape().context);
    if (request.max_tokens == 0 || !request.draft->empty() || rows == kMaxRows ||
        request.text.size() + request.max_tokens > context) {
      continue;
    }
    State* const state = StateOf(request);
    const int64_t missing = static_cast<int64_t>(request.text.size() - state->fed);
    const int64_t take = std::min(missing, kMaxRows - rows);
    // What is fed now and what may be guessed after it; guesses that are not true are fed again.
    const auto fed = static_cast<int64_t>(state->fed);
    state->pages.Hold(fed, fed + take + request.max_tokens);
    for (int64_t i = 0; i < take; ++i) {
      model_->Embed(request.text[state->fed + i], hidden_.data() + (rows + i) * width);
    }
    const bool caught_up = take == missing;
    runs_.push_back({&state->pages, static_cast<int64_t>(state->fed), take, take - caught_up});
    rows += take;
    state->fed += static_cast<size_t>(take);
    if (caught_up) writing_.push_back({&request, state});
  }
  stack_.Forward(runs_, hidden_.data());
  Guess(hidden_.data());
}

// Appends a token to every draft that is being written; full ones are done.
void ModelDrafter::Guess(const float* hidden) {
  const auto count = static_cast<int64_t>(writing_.size());
  const int64_t vocabulary = model_->shape().vocabulary;
  logits_.resize(static_cast<size_t>(count * vocabulary));
  stack_.Logits(hidden, count, logits_.data());
  for (int64_t i = 0; i < count; ++i) {
    const DraftRequest& request = *writing_[i].request;
    const std::span<float> row(logits_.data() + i * vocabulary, static_cast<size_t>(vocabulary));
    sampling::CleanAndFindLargest(row);
    const auto index = request.next_index + request.draft->size();
    const double uniform = SeededStream(request.sampling->seed).UniformAt(index);
    request.draft->push_back(sampling::Draw(*request.sampling, row, uniform, &workspace_));
  }
  std::erase_if(writing_, [](const Writing& writing) {
    return writing.request->draft->size() >= writing.request->max_tokens;
  });
}

void ModelDrafter::WriteOn() {
  const int64_t width = model_->shape().hidden;
  runs_.clear();
  int64_t row = 0;
  for (const Writing& writing : writing_) {
    const TokenId token = writing.request->draft->back();
    State& state = *writing.state;
    model_->Embed(token, hidden_.data() + row++ * width);
    runs_.push_back({&state.pages, static_cast<int64_t>(state.fed + state.guessed.size()), 1});
    state.guessed.push_back(token);
  }
  stack_.Forward(runs_, hidden_.data());
  Guess(hidden_.data());
}

}  // namespace waferline::plane
