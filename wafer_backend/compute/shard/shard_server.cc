#include "wafer_backend/compute/shard/shard_server.h"

#include <atomic>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/compute/model/families/families.h"
#include "wafer_backend/compute/shard/peer_model.h"
#include "wafer_backend/compute/shard/shard_node.h"

namespace waferline::shard {
namespace {

constexpr Nanoseconds kIdle = Milliseconds(100);

absl::Status Serve(const ShardServerOptions& options, ShardNode::Parts parts,
                   const std::atomic<bool>& stop) {
  link::Reactor* const reactor = parts.reactor;
  ShardNode node(std::move(parts));
  WL_ASSIGN_OR_RETURN(const auto listener,
                      link::Listener::Open(reactor, options.listen,
                                           [&node](auto taken) { node.Add(std::move(taken)); }));
  if (options.on_ready) options.on_ready(listener->port());
  while (!stop.load(std::memory_order_relaxed)) {
    reactor->Turn(kIdle);
    node.Watch();
  }
  return absl::OkStatus();
}

// Experts, but not all of a layer's.
bool HasSomeExperts(const ShardOptions& part, int64_t experts) {
  return part.experts.count() > 0 && part.experts.count() < experts;
}

// Before layers are loaded, which may be much later.
absl::Status CheckExperts(const ShardServerOptions& options, int64_t experts) {
  const ExpertRange& own = options.shard.experts;
  const bool asked = own.count() > 0 || !options.workers.empty();
  if (experts == 0 && asked && !options.shard.feed_forward_elsewhere) {
    return absl::InvalidArgumentError(
        absl::StrCat(options.model_path,
                     " has no experts: --experts and --expert-workers have no "
                     "effect with it"));
  }
  if (own.count() == 0 || (own.first >= 0 && own.end <= experts)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("experts ", own.first, " to ", own.end,
                                                 " (exclusive) out of range [0, ", experts, ")"));
}

// What a shard is loaded from.
struct Source {
  std::shared_ptr<const model::GgufFile> file;  // or
  std::shared_ptr<const PackedModel> model;
  model::ModelShape shape;
  uint64_t fingerprint = 0;
};

absl::StatusOr<Source> SourceOf(const ShardServerOptions& options) {
  Source source;
  if (options.model != nullptr) {
    source.model = options.model;
    source.shape = options.model->shape();
    source.fingerprint = options.model->fingerprint();
    return source;
  }
  WL_ASSIGN_OR_RETURN(source.file, model::GgufFile::Open(options.model_path));
  WL_ASSIGN_OR_RETURN(source.shape, model::ReadShape(*source.file));
  source.fingerprint = FingerprintOf(*source.file);
  return source;
}

absl::StatusOr<std::unique_ptr<Shard>> LoadShard(const Source& source, const ShardOptions& options,
                                                 kernels::ThreadPool* pool,
                                                 const std::atomic<bool>& stop) {
  if (source.model != nullptr) return Shard::Create(source.model, options, pool);
  WL_ASSIGN_OR_RETURN(const auto model,
                      PackedModel::LoadPart(source.file, options.part(), pool, &stop));
  return Shard::Create(model, options, pool);
}

link::HelloFrame HelloOf(const ShardServerOptions& options, const model::ModelShape& shape,
                         uint64_t fingerprint) {
  const ShardOptions& part = options.shard;
  link::HelloFrame hello =
      HelloFor(part.feed_forward_elsewhere ? link::Role::kAttention : link::Role::kShard, shape,
               fingerprint);
  if (part.experts.count() > 0) {
    hello.first_expert = static_cast<uint32_t>(part.experts.first);
    hello.end_expert = static_cast<uint32_t>(part.experts.end);
  }
  hello.any_layers = part.range.count() == 0;
  hello.first_layer = static_cast<uint32_t>(part.range.first);
  hello.end_layer = static_cast<uint32_t>(part.range.end);
  hello.page_tokens = static_cast<uint32_t>(part.page_tokens);
  hello.slots = part.slots;
  hello.max_rows = static_cast<uint32_t>(part.max_rows);
  options.Sign(&hello);
  return hello;
}

}  // namespace

absl::Status RunShardServer(const ShardServerOptions& options, const std::atomic<bool>& stop) {
  WL_ASSIGN_OR_RETURN(const Source source, SourceOf(options));
  kernels::ThreadPool pool(options.ComputeThreads());
  link::Reactor reactor(options.liveness,
                        {options.tls, options.shard.feed_forward_elsewhere ? tls::Door::kAttention
                                                                           : tls::Door::kShard});
  reactor.ReportTo(options.vitals);
  ShardOptions part = options.shard;
  part.between_layers = [&reactor] { reactor.Beat(); };
  const int64_t experts = source.shape.experts.router.experts;
  const bool attention = part.feed_forward_elsewhere;
  WL_RETURN_IF_ERROR(CheckExperts(options, experts));
  if (options.workers.empty() && (attention || HasSomeExperts(part, experts))) {
    return absl::InvalidArgumentError(
        attention ? "an attention worker needs feed-forward workers"
                  : "a shard without all experts needs the workers of the others");
  }
  const auto load = [&](LayerRange range) -> absl::StatusOr<std::unique_ptr<Shard>> {
    ShardOptions whole = part;
    whole.range = range;
    return LoadShard(source, whole, &pool, stop);
  };
  ShardNode::Parts parts{.reactor = &reactor,
                         .hello = HelloOf(options, source.shape, source.fingerprint),
                         .workers = {.endpoints = options.workers,
                                     .experts = experts,
                                     .patience = options.worker_patience,
                                     .liveness = options.liveness,
                                     .tls = options.tls},
                         .on_remark = options.on_remark,
                         .on_driver = options.on_driver};
  if (part.range.count() == 0) {
    parts.load = load;
  } else {
    WL_ASSIGN_OR_RETURN(parts.shard, load(part.range));
  }
  return Serve(options, std::move(parts), stop);
}

}  // namespace waferline::shard
