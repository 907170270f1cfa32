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
  link::Reactor reactor(options.liveness);
  ShardOptions part = options.shard;
  part.between_layers = [&reactor] { reactor.Beat(); };
  WL_ASSIGN_OR_RETURN(const auto model,
                      PackedModel::LoadPart(
                          std::move(file), {.layers = part.range, .experts = part.experts}, &pool));
  WL_ASSIGN_OR_RETURN(const auto shard, Shard::Create(model, part, &pool));
  const int64_t experts = model->shape().experts.router.experts;
  if (options.expert_workers.empty() && model->experts().count() < experts) {
    return absl::InvalidArgumentError(
        "a shard without all experts needs the workers of the others");
  }
  link::HelloFrame hello = HelloFor(link::Role::kShard, *model, part.range, part.page_tokens);
  hello.slots = part.slots;
  hello.max_rows = static_cast<uint32_t>(part.max_rows);
  hello.credentials.worker = options.name;
  hello.credentials.incarnation = options.incarnation;
  return Serve(options,
               {.reactor = &reactor,
                .shard = shard.get(),
                .hello = hello,
                .experts = {.endpoints = options.expert_workers,
                            .experts = experts,
                            .patience = options.expert_patience,
                            .liveness = options.liveness},
                .on_remark = options.on_remark},
               stop);
}

}  // namespace waferline::shard
