#include "wafer_backend/compute/prefill/prefill_worker.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/check.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/compute/sampling/sampler.h"
#include "wafer_backend/compute/shard/sram_ledger.h"

namespace waferline::prefill {

using shard::LayerRange;
using shard::PagesFor;

PrefillWorker::PrefillWorker(std::shared_ptr<const shard::PackedModel> model,
                             const PrefillOptions& options, kernels::ThreadPool* pool)
    : model_(std::move(model)),
      options_(options),
      stack_(model_,
             {.range = model_->range(),
              .page_tokens = options.page_tokens,
              .max_rows = options.chunk_tokens,
              .between_layers = options.between_layers},
             pool),
      pages_(stack_.kv()) {
  hidden_.resize(static_cast<size_t>(options.chunk_tokens * model_->shape().hidden));
}

absl::StatusOr<std::unique_ptr<PrefillWorker>> PrefillWorker::Create(
    std::shared_ptr<const shard::PackedModel> model, const PrefillOptions& options,
    kernels::ThreadPool* pool) {
  const kernels::KvPageLayout layout =
      shard::KvLayoutOf(model->shape(), model->range().count(), options.page_tokens);
  WL_RETURN_IF_ERROR(layout.Check());
  if (model->range() != LayerRange{0, model->shape().layers}) {
    return absl::InvalidArgumentError("a prefill worker needs all layers of the model");
  }
  if (options.chunk_tokens < 1 || options.kv_bytes < layout.page_bytes() || options.max_jobs < 1) {
    return absl::InvalidArgumentError(absl::StrCat(
        "a prefill worker needs a chunk of at least one token, room for a job and for a page of ",
        layout.page_bytes().count(), " bytes"));
  }
  return std::unique_ptr<PrefillWorker>(new PrefillWorker(std::move(model), options, pool));
}

absl::Status PrefillWorker::Submit(PrefillJob job) {
  WL_RETURN_IF_ERROR(model_->CheckFile());
  const auto& shape = model_->shape();
  const auto count = static_cast<int64_t>(job.tokens.size());
  if (count < 1 || count > shape.context || job.prompt_tokens > job.tokens.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat(count, " tokens to prefill exceed the model's context of ", shape.context));
  }
  for (const TokenId id : job.tokens) {
    if (id < 0 || id >= shape.vocabulary) {
      return absl::InvalidArgumentError(
          absl::StrCat("token ", id, " out of range [0, ", shape.vocabulary, ")"));
    }
  }
  const Bytes needed = stack_.kv().BytesFor(count);
  if (jobs_.size() >= options_.max_jobs || promised_ + needed > options_.kv_bytes) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "the prefill pool holds ", jobs_.size(), " prompts with ", shard::InWords(promised_),
        " of KV (limits ", options_.max_jobs, " and ", shard::InWords(options_.kv_bytes), ")"));
  }
  const uint64_t id = job.id;
  const bool fresh =
      jobs_.try_emplace(id, State{std::move(job), shard::SequencePages(&pages_), 0, {}, {}}).second;
  if (!fresh) return absl::AlreadyExistsError(absl::StrCat("prefill job ", id, " already exists"));
  promised_ += needed;
  queue_.push_back(id);
  return absl::OkStatus();
}

void PrefillWorker::Release(uint64_t id) {
  const auto found = jobs_.find(id);
  if (found == jobs_.end()) return;
  promised_ -= stack_.kv().BytesFor(static_cast<int64_t>(found->second.job.tokens.size()));
  jobs_.erase(found);
  std::erase(queue_, id);
}

void PrefillWorker::RunChunk(int64_t budget, std::vector<Prefilled>* done) {
  const int64_t width = model_->shape().hidden;
  budget = std::min(budget, options_.chunk_tokens);
  runs_.clear();
  part_.clear();
  int64_t rows = 0;
  for (const uint64_t id : queue_) {
    if (rows == budget) break;
    State& state = jobs_.at(id);
    const int64_t take =
        std::min(budget - rows, static_cast<int64_t>(state.job.tokens.size()) - state.done);
    state.pages.Hold(state.done, state.done + take);
    for (int64_t i = 0; i < take; ++i) {
      model_->Embed(state.job.tokens[state.done + i], hidden_.data() + (rows + i) * width);
    }
    const bool finishes = state.done + take == static_cast<int64_t>(state.job.tokens.size());
    const bool all = state.job.prompt_logprobs || state.job.vector == PromptVector::kMean;
    const int64_t wanted = all ? take : finishes ? 1 : 0;
    runs_.push_back({&state.pages, state.done, take, take - wanted});
    part_.push_back(&state);
    rows += take;
  }
  if (rows == 0) return;
  stack_.Forward(runs_, hidden_.data());
  computed_tokens_ += static_cast<uint64_t>(rows);

  const size_t first_done = done->size();
  last_hidden_.clear();
  int64_t row = 0;
  for (size_t i = 0; i < runs_.size(); ++i) {
    State& state = *part_[i];
    const float* const start = hidden_.data() + row * width;
    if (state.job.prompt_logprobs) TakePromptLogprobs(&state, start, state.done, runs_[i].rows);
    if (state.job.vector == PromptVector::kMean) AddToMean(&state, start, runs_[i].rows);
    state.done += runs_[i].rows;
    row += runs_[i].rows - runs_[i].kv_only;
    if (state.done < static_cast<int64_t>(state.job.tokens.size())) continue;
    last_hidden_.insert(last_hidden_.end(), hidden_.data() + (row - 1) * width,
                        hidden_.data() + row * width);
    Prefilled& result = done->emplace_back();
    result.id = state.job.id;
    result.prompt_logprobs = std::move(state.prompt_logprobs);
    result.vector = VectorOf(state, hidden_.data() + (row - 1) * width);
    queue_.pop_front();  // jobs finish in the order of the queue
  }
  const auto finished = static_cast<int64_t>(done->size() - first_done);
  const int64_t vocabulary = model_->shape().vocabulary;
  // A few rows at a time: logits of every prompt of a chunk at once could be gigabytes.
  for (int64_t i = 0; i < finished; i += kLogitRows) {
    const int64_t count = std::min(kLogitRows, finished - i);
    logits_.resize(static_cast<size_t>(count * vocabulary));
    stack_.Logits(last_hidden_.data() + i * width, count, logits_.data());
    for (int64_t j = 0; j < count; ++j) {
      (*done)[first_done + i + j].logits.assign(logits_.data() + j * vocabulary,
                                                logits_.data() + (j + 1) * vocabulary);
    }
  }
}

void PrefillWorker::TakePromptLogprobs(State* state, const float* hidden, int64_t first,
                                       int64_t rows) {
  const auto& shape = model_->shape();
  // Row p gives the probability of token p + 1; the prompt's last row that of the first generated.
  rows = std::min(rows, static_cast<int64_t>(state->job.prompt_tokens) - 1 - first);
  for (int64_t i = 0; i < rows; i += kLogitRows) {
    const int64_t count = std::min(kLogitRows, rows - i);
    logits_.resize(static_cast<size_t>(count * shape.vocabulary));
    stack_.Logits(hidden + i * shape.hidden, count, logits_.data());
    for (int64_t j = 0; j < count; ++j) {
      state->prompt_logprobs.push_back(sampling::Logprobs(
          state->job.tokens[first + i + j + 1], state->job.top_logprobs,
          {logits_.data() + j * shape.vocabulary, static_cast<size_t>(shape.vocabulary)},
          &workspace_));
    }
  }
}

void PrefillWorker::AddToMean(State* state, const float* hidden, int64_t rows) {
  const auto width = static_cast<size_t>(model_->shape().hidden);
  state->sums.resize(width);
  const float* normed = stack_.OutputRows(hidden, rows);
  for (int64_t row = 0; row < rows; ++row, normed += width) {
    for (size_t i = 0; i < width; ++i) state->sums[i] += normed[i];
  }
}

std::vector<float> PrefillWorker::VectorOf(const State& state, const float* last_row) {
  const auto width = static_cast<size_t>(model_->shape().hidden);
  if (state.job.vector == PromptVector::kNone) return {};
  if (state.job.vector == PromptVector::kLast) {
    const float* const normed = stack_.OutputRows(last_row, 1);
    return {normed, normed + width};
  }
  std::vector<float> mean(width);
  const auto rows = static_cast<double>(state.job.tokens.size());
  for (size_t i = 0; i < width; ++i) mean[i] = static_cast<float>(state.sums[i] / rows);
  return mean;
}

std::vector<KvPart> PrefillWorker::KvParts(uint64_t id, LayerRange range) const {
  const int64_t done = jobs_.at(id).done;
  const shard::KvLayers& kv = stack_.kv();
  const int64_t most = std::max<int64_t>(kLargestKvFrame / kv.layout().layer_bytes(), 1);
  const int64_t pages = PagesFor(done, options_.page_tokens);
  const auto needed = [&](int64_t layer, int64_t page) {
    // The last page always: a shard waits for a frame even if nothing of it is seen again.
    return page >= std::min(kv.group_of(layer).Seen(done, done).first, pages - 1);
  };
  std::vector<KvPart> parts;
  for (int64_t page = 0; page < pages; ++page) {
    for (int64_t layer = range.first; layer < range.end; ++layer) {
      if (!needed(layer, page)) continue;
      const bool goes_on = !parts.empty() && parts.back().page == page &&
                           parts.back().layers.end == layer && parts.back().layers.count() < most;
      if (goes_on) {
        ++parts.back().layers.end;
      } else {
        parts.push_back({page, {layer, layer + 1}});
      }
    }
  }
  return parts;
}

void PrefillWorker::FillKvFrame(uint64_t id, const KvPart& part, link::KvFrame* frame) const {
  const State& state = jobs_.at(id);
  const shard::KvLayers& kv = stack_.kv();
  const int64_t layer_bytes = kv.layout().layer_bytes().count();
  const int64_t position = part.page * options_.page_tokens;
  frame->job = id;
  frame->first_layer = static_cast<uint32_t>(part.layers.first);
  frame->layer_count = static_cast<uint32_t>(part.layers.count());
  frame->first_position = static_cast<uint32_t>(position);
  frame->positions = static_cast<uint32_t>(std::min(options_.page_tokens, state.done - position));
  frame->data.resize(static_cast<size_t>(part.layers.count() * layer_bytes));
  for (int64_t i = 0; i < part.layers.count(); ++i) {
    const auto [group, index] = kv.place(part.layers.first + i);
    std::memcpy(frame->data.data() + i * layer_bytes,
                state.pages.page(group, part.page) + index * layer_bytes,
                static_cast<size_t>(layer_bytes));
  }
}

}  // namespace waferline::prefill
