#include "wafer_backend/compute/shard/shard_server.h"

#include <algorithm>
#include <memory>
#include <thread>
#include <utility>

#include "wafer_backend/base/status.h"
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

}  // namespace

absl::Status RunShardServer(const ShardServerOptions& options, const std::atomic<bool>& stop) {
  WL_ASSIGN_OR_RETURN(auto file, model::GgufFile::Open(options.model_path));
  const int cores = static_cast<int>(std::thread::hardware_concurrency());
  kernels::ThreadPool pool(options.threads > 0 ? options.threads : std::max(cores, 1));
  link::Reactor reactor(options.liveness,
                        {options.tls, options.shard.feed_forward_elsewhere ? tls::Door::kAttention
                                                                           : tls::Door::kShard});
  ShardOptions part = options.shard;
  part.between_layers = [&reactor] { reactor.Beat(); };
  WL_ASSIGN_OR_RETURN(const auto model, PackedModel::LoadPart(std::move(file), part.part(), &pool));
  WL_ASSIGN_OR_RETURN(const auto shard, Shard::Create(model, part, &pool));
  const int64_t experts = model->shape().experts.router.experts;
  const bool attention = part.feed_forward_elsewhere;
  if (options.workers.empty() && (attention || model->experts().count() < experts)) {
    return absl::InvalidArgumentError(
        attention ? "an attention worker needs feed-forward workers"
                  : "a shard without all experts needs the workers of the others");
  }
  const link::Role role = attention ? link::Role::kAttention : link::Role::kShard;
  link::HelloFrame hello = HelloFor(role, *model, part.range, part.page_tokens);
  hello.slots = part.slots;
  hello.max_rows = static_cast<uint32_t>(part.max_rows);
  hello.credentials.worker = options.name;
  hello.credentials.incarnation = options.incarnation;
  return Serve(options,
               {.reactor = &reactor,
                .shard = shard.get(),
                .hello = hello,
                .workers = {.endpoints = options.workers,
                            .experts = experts,
                            .patience = options.worker_patience,
                            .liveness = options.liveness,
                            .tls = options.tls},
                .on_remark = options.on_remark},
               stop);
}

}  // namespace waferline::shard
