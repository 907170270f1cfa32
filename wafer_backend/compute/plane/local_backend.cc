#include "wafer_backend/compute/plane/local_backend.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/check.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/compute/model/families/families.h"
#include "wafer_backend/compute/shard/expert_worker.h"
#include "wafer_backend/compute/shard/feed_forward_worker.h"

namespace waferline::plane {

using shard::Shard;

namespace {

absl::Status CheckOptions(const LocalOptions& options, const model::ModelShape& shape) {
  if (options.shards < 1 || options.shards > shape.layers) {
    return absl::InvalidArgumentError(absl::StrCat("shards: ", options.shards,
                                                   " is out of range [1, ", shape.layers,
                                                   "], the model's layers"));
  }
  if (options.busy_chunk_tokens < 1) {
    return absl::InvalidArgumentError("busy_chunk_tokens must be at least 1");
  }
  if (options.feed_forward_workers < 0 || options.feed_forward_workers > shape.layers) {
    return absl::InvalidArgumentError(
        absl::StrCat("feed-forward workers: ", options.feed_forward_workers,
                     " is out of range [0, ", shape.layers, "], the model's layers"));
  }
  const int64_t experts = shape.experts.router.experts;
  if (options.experts_over < 1 || options.experts_over > std::max<int64_t>(experts, 1)) {
    return absl::InvalidArgumentError(
        experts == 0 ? "experts over: the model has no experts"
                     : absl::StrCat("experts over: ", options.experts_over, " is out of range [1, ",
                                    experts, "], the model's experts"));
  }
  if (options.feed_forward_workers == 0 || options.experts_over == 1) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "experts over: feed-forward workers have all experts of their layers");
}

}  // namespace

absl::StatusOr<std::unique_ptr<LocalBackend>> LocalBackend::Create(const LocalOptions& options,
                                                                   kernels::ThreadPool* pool) {
  std::unique_ptr<LocalBackend> backend(new LocalBackend(options));
  WL_RETURN_IF_ERROR(backend->Build(options, pool));
  return backend;
}

absl::Status LocalBackend::Build(const LocalOptions& options, kernels::ThreadPool* pool) {
  WL_ASSIGN_OR_RETURN(const auto shape, model::ReadShape(*options.file));
  WL_RETURN_IF_ERROR(CheckOptions(options, shape));
  WL_ASSIGN_OR_RETURN(const auto model,
                      shard::PackedModel::Load(options.file, {0, shape.layers}, pool));
  WL_RETURN_IF_ERROR(BuildFeedForward(options, model));
  WL_RETURN_IF_ERROR(BuildShards(options, model, pool));
  facts_.vocabulary = shape.vocabulary;
  facts_.context = shape.context;
  facts_.slots = options.slots;
  facts_.max_rows = options.max_rows;

  prefill::PrefillOptions prefill = options.prefill;
  prefill.page_tokens = options.page_tokens;
  chunk_tokens_ = prefill.chunk_tokens;
  if (options.prefill_threads > 0) {
    prefill_pool_ = std::make_unique<kernels::ThreadPool>(options.prefill_threads);
    pool = prefill_pool_.get();
  }
  WL_ASSIGN_OR_RETURN(auto worker, prefill::PrefillWorker::Create(model, prefill, pool));
  auto service = std::make_unique<prefill::PrefillService>(std::move(worker));
  std::vector<prefill::KvTarget> targets;
  for (size_t i = 0; i < shards_.size(); ++i) {
    targets.push_back({shards_[i]->options().range, &kv_hops_[i]->outlet});
  }
  service->SetTargets(std::move(targets));
  if (options.prefill_threads > 0) {
    lane_ = std::make_unique<ThreadLane>(std::move(service), chunk_tokens_, [this] { Wake(); });
  } else {
    lane_ = std::make_unique<InlineLane>(std::move(service));
  }
  return absl::OkStatus();
}

absl::Status LocalBackend::BuildFeedForward(
    const LocalOptions& options, const std::shared_ptr<const shard::PackedModel>& model) {
  if (options.feed_forward_workers == 0) return absl::OkStatus();
  for (const shard::LayerRange& layers :
       shard::CutEvenly(model->shape().layers, options.feed_forward_workers)) {
    feed_forward_pools_.push_back(
        std::make_unique<kernels::ThreadPool>(options.feed_forward_threads));
    WL_ASSIGN_OR_RETURN(
        auto worker,
        shard::FeedForwardWorker::Create(
            model, {.layers = layers, .sram = options.sram, .max_rows = options.max_rows},
            feed_forward_pools_.back().get()));
    feed_forward_.push_back(std::make_unique<shard::WorkerThread>(std::move(worker)));
  }
  return absl::OkStatus();
}

absl::Status LocalBackend::BuildShards(const LocalOptions& options,
                                       std::shared_ptr<const shard::PackedModel> model,
                                       kernels::ThreadPool* pool) {
  const int64_t experts = model->shape().experts.router.experts;
  std::vector<shard::ExpertRange> parts = {{0, experts}};
  if (experts > 0) parts = shard::CutExperts(experts, options.experts_over);
  for (const shard::LayerRange& range : shard::CutEvenly(model->shape().layers, options.shards)) {
    WL_ASSIGN_OR_RETURN(auto shard,
                        Shard::Create(model,
                                      {.range = range,
                                       .sram = options.sram,
                                       .page_tokens = options.page_tokens,
                                       .slots = options.slots,
                                       .max_rows = options.max_rows,
                                       .experts = parts[0],
                                       .feed_forward_elsewhere = options.feed_forward_workers > 0,
                                       .micro_batches = options.micro_batches},
                                      pool));
    if (options.feed_forward_workers > 0) {
      LinkFeedForward(shard.get());
    } else {
      WL_RETURN_IF_ERROR(SpreadExperts(options, parts, pool, shard.get()));
    }
    facts_.memory.push_back(shard->memory());
    shards_.push_back(std::move(shard));
    kv_hops_.push_back(std::make_unique<KvHop>());
    if (shards_.size() > 1) hops_.push_back(std::make_unique<ActivationHop>());
  }
  return absl::OkStatus();
}

void LocalBackend::LinkFeedForward(Shard* shard) {
  const shard::LayerRange range = shard->options().range;
  std::vector<shard::WorkerThread*> threads;
  for (const auto& thread : feed_forward_) {
    const shard::LayerRange has = thread->part().layers;
    if (has.first < range.end && has.end > range.first) threads.push_back(thread.get());
  }
  links_.push_back(std::make_unique<shard::LocalLayerWorkers>(threads));
  shard->SetWorkers(links_.back().get());
}

absl::Status LocalBackend::SpreadExperts(const LocalOptions& options,
                                         std::span<const shard::ExpertRange> parts,
                                         kernels::ThreadPool* pool, Shard* shard) {
  if (parts.size() == 1) return absl::OkStatus();
  std::vector<std::unique_ptr<shard::LayerWorker>> workers;
  for (const shard::ExpertRange& part : parts.subspan(1)) {
    WL_ASSIGN_OR_RETURN(auto worker, shard::ExpertWorker::Create(shard->shared_model(),
                                                                 {.layers = shard->options().range,
                                                                  .experts = part,
                                                                  .sram = options.sram,
                                                                  .max_rows = options.max_rows},
                                                                 pool));
    workers.push_back(std::move(worker));
  }
  links_.push_back(std::make_unique<shard::LocalLayerWorkers>(std::move(workers)));
  shard->SetWorkers(links_.back().get());
  return absl::OkStatus();
}

void LocalBackend::HandOff(uint64_t job, uint32_t slot, uint32_t positions) {
  absl::Status status;
  for (auto& shard : shards_) {
    status = shard->Open(slot, positions, job);
    if (!status.ok()) break;
  }
  if (status.ok()) {
    lane_->HandOff(job, slot);
  } else {
    Close(slot);
    lane_->Cancel(job);
    refused_.push_back({job, std::move(status)});
  }
}

void LocalBackend::Forget(uint64_t job) {
  lane_->Cancel(job);
  std::erase_if(refused_, [job](const auto& refused) { return refused.job == job; });
}

void LocalBackend::Close(uint32_t slot) {
  for (auto& shard : shards_) shard->Close(slot);
}

absl::Status LocalBackend::Step(const link::TokenFrame& tokens, link::LogitsFrame* logits) {
  WL_RETURN_IF_ERROR(shards_[0]->Step(tokens, &activations_));
  const link::ActivationFrame* carried = &activations_;
  for (size_t i = 1; i < shards_.size(); ++i) {
    ActivationHop& hop = *hops_[i - 1];
    WL_RETURN_IF_ERROR(hop.outlet.Send(*carried));
    WL_CHECK(hop.pipe.Take(&hop.frame));
    WL_RETURN_IF_ERROR(hop.inlet.Accept(hop.frame, [&](link::ActivationFrame& frame) {
      carried = &frame;  // the inlet's own, until its next frame
      return shards_[i]->Step(&frame);
    }));
  }
  return shards_.back()->Head(*carried, logits);
}

bool LocalBackend::Turn(bool decoding, BackendEvents* events) {
  bool moved = lane_->Turn(decoding ? busy_chunk_tokens_ : chunk_tokens_, &results_);
  if (TakePages(events)) {
    moved = true;
    lane_->Nudge();
  }
  for (auto& result : results_.prefilled) events->prefilled.push_back(std::move(result));
  for (auto& sent : results_.sent) {
    if (!sent.status.ok()) events->handed_off.push_back({sent.id, std::move(sent.status)});
  }
  results_.prefilled.clear();
  results_.sent.clear();
  moved |= !refused_.empty();
  for (auto& refused : refused_) events->handed_off.push_back(std::move(refused));
  refused_.clear();
  return moved;
}

bool LocalBackend::TakePages(BackendEvents* events) {
  bool moved = false;
  // Pages leave for the first shard first. Taken from the last shard's link first: if its last page
  // is there, the others' pages are, and are taken before the hand-off is reported.
  for (size_t i = kv_hops_.size(); i-- > 0;) {
    KvHop& hop = *kv_hops_[i];
    while (hop.pipe.Take(&hop.frame)) {
      moved = true;
      const absl::Status status =
          hop.inlet.Accept(hop.frame, [&](const link::KvFrame& frame) -> absl::Status {
            WL_RETURN_IF_ERROR(shards_[i]->Receive(frame));
            if (frame.last && i + 1 == kv_hops_.size()) {
              events->handed_off.push_back({frame.job, absl::OkStatus()});
            }
            return absl::OkStatus();
          });
      WL_CHECK(status.ok());  // both ends are ours
    }
  }
  return moved;
}

void LocalBackend::Count(PlaneCounters* counters) const {
  counters->activation_bytes.clear();
  for (const auto& hop : hops_) counters->activation_bytes.push_back(hop->outlet.sent());
  counters->kv_reserved.clear();
  counters->expert_tokens.clear();
  counters->expert_bytes.clear();
  counters->feed_forward_bytes.clear();
  for (const auto& shard : shards_) {
    counters->kv_reserved.push_back(shard->kv_reserved());
    AddExpertTokens(shard->expert_tokens(), counters);
    (feed_forward_.empty() ? counters->expert_bytes : counters->feed_forward_bytes)
        .push_back(shard->worker_bytes());
  }
  lane_->Count(counters);
}

}  // namespace waferline::plane
