#include "wafer_backend/compute/shard/shard.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/check.h"
#include "wafer_backend/base/status.h"

namespace waferline::shard {
namespace {

std::string NameOf(LayerRange range) {
  return absl::StrCat("the shard of layers ", range.first, " to ", range.end - 1);
}

// Activations in and out, what goes to feed-forward workers and comes back, and logits on the last
// shard, besides the working memory of the layers.
Bytes FrameBytes(const PackedModel& model, const ShardOptions& options) {
  const auto& shape = model.shape();
  Bytes sum(options.max_rows * shape.hidden * 4 * (options.feed_forward_elsewhere ? 3 : 1));
  if (options.range.end == shape.layers) sum += Bytes(options.max_rows * shape.vocabulary * 4);
  return sum;
}

absl::Status CheckMicroBatches(const ShardOptions& options) {
  const size_t limit = options.feed_forward_elsewhere ? WorkerLinks::kMaxAsked : 1;
  if (options.micro_batches >= 1 && options.micro_batches <= static_cast<int64_t>(limit)) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat("micro_batches: ", options.micro_batches, " is out of range [1, ", limit, "]",
                   limit == 1 ? " of a shard that computes feed-forward parts itself" : ""));
}

absl::Status CheckOptions(const PackedModel& model, const ShardOptions& options) {
  WL_RETURN_IF_ERROR(KvLayoutOf(model.shape(), options.range.count(), options.page_tokens).Check());
  if (options.slots < 1 || options.max_rows < 1) {
    return absl::InvalidArgumentError("slots and max_rows of a shard must be at least 1");
  }
  WL_RETURN_IF_ERROR(CheckMicroBatches(options));
  if (options.range.first < model.range().first || options.range.end > model.range().end ||
      options.range.count() < 1 || !model.Holds(options.part().side)) {
    return absl::InvalidArgumentError(
        absl::StrCat(NameOf(options.range), " is outside the layers that were loaded"));
  }
  const ExpertRange& experts = options.experts;
  if (experts.count() == 0 || (experts.count() > 0 && experts.first >= model.experts().first &&
                               experts.end <= model.experts().end)) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat("experts ", experts.first, " to ", experts.end,
                   " (exclusive) are outside those that were loaded, ", model.experts().first,
                   " to ", model.experts().end));
}

}  // namespace

Shard::Shard(std::shared_ptr<const PackedModel> model, const ShardOptions& options,
             kernels::ThreadPool* pool)
    : model_(std::move(model)),
      options_(options),
      stack_(model_,
             {options.range, options.page_tokens, options.max_rows, options.experts,
              options.feed_forward_elsewhere, options.micro_batches, options.between_layers},
             pool),
      ledger_(NameOf(options.range), options.sram),
      pages_(stack_.kv()) {
  slots_.reserve(options.slots);
  for (uint32_t i = 0; i < options.slots; ++i) slots_.emplace_back(&pages_);
}

absl::StatusOr<std::unique_ptr<Shard>> Shard::Create(std::shared_ptr<const PackedModel> model,
                                                     const ShardOptions& options,
                                                     kernels::ThreadPool* pool) {
  WL_RETURN_IF_ERROR(CheckOptions(*model, options));
  std::unique_ptr<Shard> shard(new Shard(std::move(model), options, pool));
  const ExpertRange own = options.experts.count() > 0 ? options.experts : shard->model_->experts();
  const Bytes weights = shard->model_->WeightsOf({options.range, own, options.part().side});
  const Bytes buffers = shard->stack_.working_bytes() + FrameBytes(*shard->model_, options);
  WL_RETURN_IF_ERROR(shard->ledger_.Settle(weights, buffers, shard->kv().layout().page_bytes()));
  return shard;
}

absl::Status Shard::Open(uint32_t slot, uint32_t positions, uint64_t job) {
  if (slot >= slots_.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("slot ", slot, " out of range [0, ", slots_.size(), ")"));
  }
  if (slots_[slot].job) {
    return absl::FailedPreconditionError(absl::StrCat("slot ", slot, " is already open"));
  }
  if (positions < 1 || positions > model_->shape().context) {
    return absl::InvalidArgumentError(absl::StrCat("positions: ", positions,
                                                   " is out of range [1, ", model_->shape().context,
                                                   "], the model's context"));
  }
  WL_RETURN_IF_ERROR(ledger_.ReserveKv(kv().BytesFor(positions)));
  slots_[slot].job = job;
  slots_[slot].reserved = PagesFor(positions, options_.page_tokens) * options_.page_tokens;
  ++open_slots_;
  return absl::OkStatus();
}

void Shard::Close(uint32_t slot) {
  if (slot >= slots_.size() || !slots_[slot].job) return;
  Slot& place = slots_[slot];
  place.job.reset();
  place.pages.Clear();
  ledger_.ReleaseKv(kv().BytesFor(place.reserved));
  place.reserved = 0;
  --open_slots_;
}

void Shard::CloseAll() {
  for (uint32_t slot = 0; slot < slots_.size(); ++slot) Close(slot);
}

absl::Status Shard::CheckSlot(uint32_t slot) const {
  if (slot < slots_.size() && slots_[slot].job) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat("slot ", slot, " is not open"));
}

absl::Status Shard::CheckFrame(const link::KvFrame& frame, const Slot& place) const {
  const int64_t page = frame.first_position / options_.page_tokens;
  const int64_t layer = static_cast<int64_t>(frame.first_layer) - options_.range.first;
  bool fits = frame.first_position % options_.page_tokens == 0 && frame.positions >= 1 &&
              frame.positions <= options_.page_tokens && frame.first_position < place.reserved &&
              layer >= 0 && frame.layer_count >= 1 &&
              layer + frame.layer_count <= options_.range.count() &&
              Bytes(static_cast<int64_t>(frame.data.size())) ==
                  frame.layer_count * kv().layout().layer_bytes();
  // Pages rise, and no group takes more than was reserved for it.
  for (int64_t i = 0; fits && i < frame.layer_count; ++i) {
    const size_t group = kv().place(layer + i).group;
    const PageRange held = place.pages.held(group);
    const int64_t first = held.count() > 0 ? held.first : page;
    fits = page >= first && page - first < kv().MaxPages(group, place.reserved);
  }
  if (fits) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "KV of layers ", frame.first_layer, " + ", frame.layer_count, ", positions ",
      frame.first_position, " + ", frame.positions, " does not fit slot ", frame.slot, " of ",
      NameOf(options_.range), " with pages of ", options_.page_tokens, " positions"));
}

absl::Status Shard::Receive(const link::KvFrame& frame) {
  if (frame.slot >= slots_.size()) return CheckSlot(frame.slot);
  Slot& place = slots_[frame.slot];
  if (place.job != frame.job) return absl::OkStatus();
  WL_RETURN_IF_ERROR(CheckFrame(frame, place));
  const int64_t page = frame.first_position / options_.page_tokens;
  const int64_t layer_bytes = kv().layout().layer_bytes().count();
  for (int64_t i = 0; i < frame.layer_count; ++i) {
    const auto [group, index] = kv().place(frame.first_layer - options_.range.first + i);
    std::memcpy(place.pages.Reach(group, page) + index * layer_bytes,
                frame.data.data() + i * layer_bytes, static_cast<size_t>(layer_bytes));
  }
  return absl::OkStatus();
}

absl::Status Shard::CheckRows(const std::vector<link::Row>& rows) {
  if (static_cast<int64_t>(rows.size()) > options_.max_rows) {
    return absl::InvalidArgumentError(
        absl::StrCat("a step of ", rows.size(), " rows exceeds max_rows ", options_.max_rows));
  }
  for (const link::Row& row : rows) {
    WL_RETURN_IF_ERROR(CheckSlot(row.slot));
    Slot& place = slots_[row.slot];
    if (row.position >= place.reserved) {
      return absl::FailedPreconditionError(
          absl::StrCat("position ", row.position, " of slot ", row.slot, " was not reserved"));
    }
    if (place.step != steps_) {
      place.step = steps_;
      place.step_first = place.step_end = row.position;
    }
    if (row.position != place.step_end++) {
      return absl::InvalidArgumentError(
          absl::StrCat("rows of slot ", row.slot, " in a step: position ", row.position,
                       " follows ", place.step_end - 2, ", must be the next"));
    }
  }
  return absl::OkStatus();
}

absl::Status Shard::Prepare(const std::vector<link::Row>& rows) {
  WL_RETURN_IF_ERROR(model_->CheckFile());
  ++steps_;
  WL_RETURN_IF_ERROR(CheckRows(rows));
  runs_.clear();
  for (size_t i = 0; i < rows.size(); ++i) {
    const link::Row& row = rows[i];
    Slot& place = slots_[row.slot];
    if (row.position == place.step_first) place.pages.Hold(place.step_first, place.step_end);
    if (i > 0 && rows[i - 1].slot == row.slot && rows[i - 1].position + 1 == row.position) {
      ++runs_.back().rows;
    } else {
      runs_.push_back({&place.pages, row.position, 1});
    }
  }
  return absl::OkStatus();
}

void Shard::SetWorkers(WorkerLinks* links) {
  links_ = links;
  const int64_t width = model_->shape().hidden;
  if (links == nullptr) return;
  if (options_.feed_forward_elsewhere) {
    stack_.SetOtherFeedForward(&other_feed_forward_.emplace(links, options_.range, width));
  } else {
    stack_.SetOtherExperts(&other_experts_.emplace(links, width));
  }
}

link::LinkBytes Shard::worker_bytes() const {
  if (links_ == nullptr) return {};
  link::LinkBytes sum = links_->sent();
  if (options_.feed_forward_elsewhere) sum += links_->received();
  return sum;
}

absl::Status Shard::Forward(float* hidden) {
  if (links_ == nullptr && !stack_.complete()) {
    return absl::UnavailableError(absl::StrCat(
        "the workers of ", options_.feed_forward_elsewhere ? "feed-forward parts" : "other experts",
        " are not connected to ", NameOf(options_.range)));
  }
  stack_.Forward(runs_, hidden);
  return links_ == nullptr ? absl::OkStatus() : links_->status();
}

absl::Status Shard::Step(const link::TokenFrame& in, link::ActivationFrame* out) {
  out->step = in.step;
  if (!first()) return absl::FailedPreconditionError("tokens go into the first shard only");
  const auto& shape = model_->shape();
  for (const TokenId id : in.tokens) {
    if (id < 0 || id >= shape.vocabulary) {
      return absl::InvalidArgumentError(
          absl::StrCat("token ", id, " out of range [0, ", shape.vocabulary, ")"));
    }
  }
  WL_RETURN_IF_ERROR(Prepare(in.rows));
  out->width = static_cast<uint32_t>(shape.hidden);
  out->rows = in.rows;
  out->hidden.resize(in.rows.size() * out->width);
  for (size_t i = 0; i < in.tokens.size(); ++i) {
    model_->Embed(in.tokens[i], out->hidden.data() + i * out->width);
  }
  return Forward(out->hidden.data());
}

absl::Status Shard::Step(link::ActivationFrame* frame) {
  if (frame->width != model_->shape().hidden) {
    return absl::InvalidArgumentError(absl::StrCat("activations of width ", frame->width,
                                                   ", the model's is ", model_->shape().hidden));
  }
  WL_RETURN_IF_ERROR(Prepare(frame->rows));
  return Forward(frame->hidden.data());
}

absl::Status Shard::Head(const link::ActivationFrame& in, link::LogitsFrame* out) {
  if (!last()) return absl::FailedPreconditionError("only the last shard has the output matrix");
  out->step = in.step;
  out->vocabulary = static_cast<uint32_t>(model_->shape().vocabulary);
  out->logits.resize(in.rows.size() * out->vocabulary);
  stack_.Logits(in.hidden.data(), static_cast<int64_t>(in.rows.size()), out->logits.data());
  return absl::OkStatus();
}

ShardMemory Shard::memory() const {
  return {.capacity = ledger_.capacity(),
          .weights = ledger_.weights(),
          .buffers = ledger_.buffers(),
          .kv_per_page = kv().layout().page_bytes(),
          .page_tokens = Tokens(options_.page_tokens)};
}

link::MemoryFrame Shard::Report() const {
  link::MemoryFrame frame;
  frame.capacity = static_cast<uint64_t>(ledger_.capacity().count());
  frame.weights = static_cast<uint64_t>(ledger_.weights().count());
  frame.buffers = static_cast<uint64_t>(ledger_.buffers().count());
  frame.kv_per_page = static_cast<uint64_t>(kv().layout().page_bytes().count());
  frame.kv_reserved = static_cast<uint64_t>(ledger_.kv().count());
  const link::LinkBytes with_workers = worker_bytes();
  frame.worker_frames = with_workers.frames;
  frame.worker_payload = with_workers.payload;
  frame.worker_framing = with_workers.framing;
  frame.expert_tokens.assign(expert_tokens().begin(), expert_tokens().end());
  return frame;
}

}  // namespace waferline::shard
