#include "wafer_backend/membership/chain_choice.h"

#include <algorithm>
#include <map>
#include <optional>

#include "absl/strings/str_cat.h"

namespace waferline::membership {
namespace {

// Those that the cell may use for a role, its own ones first.
std::vector<const Worker*> Usable(const Snapshot& snapshot, const ChainWish& wish, Role role) {
  std::vector<const Worker*> own, free;
  for (const auto& [id, worker] : snapshot.workers) {
    if (worker.role != role) continue;
    if (worker.fingerprint != 0 && worker.fingerprint != wish.fingerprint) continue;
    const auto claim = snapshot.claims.find(id);
    if (claim == snapshot.claims.end()) {
      free.push_back(&worker);
    } else if (claim->second.cell == wish.cell) {
      own.push_back(&worker);
    }
  }
  own.insert(own.end(), free.begin(), free.end());
  return own;
}

// Shards whose own layers join from 0 to the end; the fewest of them. Nothing: they do not.
std::optional<std::vector<ChainWorker>> JoinOwnLayers(const std::vector<const Worker*>& shards,
                                                      uint32_t layers) {
  struct Step {
    const Worker* worker = nullptr;  // that reaches this layer
    uint32_t shards = 0;             // from layer 0 to it
  };
  std::map<uint32_t, Step> reached = {{0, {}}};
  // In rising order of layers: what is reached is final, since each worker only leads further.
  for (auto at = reached.begin(); at != reached.end(); ++at) {
    for (const Worker* worker : shards) {
      if (!worker->layers || worker->layers->first != at->first || worker->layers->end > layers) {
        continue;
      }
      Step& next = reached[worker->layers->end];
      const uint32_t count = at->second.shards + 1;
      if (next.worker == nullptr || count < next.shards) next = {worker, count};
    }
  }
  if (!reached.contains(layers)) return std::nullopt;
  std::vector<ChainWorker> chain;
  for (uint32_t end = layers; end > 0; end = chain.back().layers.first) {
    const Worker& worker = *reached.at(end).worker;
    chain.push_back({worker, *worker.layers});
  }
  std::reverse(chain.begin(), chain.end());
  return chain;
}

// One chain; `left` are to be chosen with it, this one included.
absl::StatusOr<Chain> ChooseChain(const Snapshot& snapshot, const ChainWish& wish, uint32_t left) {
  const std::vector<const Worker*> shards = Usable(snapshot, wish, Role::kShard);
  const std::vector<const Worker*> prefill = Usable(snapshot, wish, Role::kPrefill);
  if (prefill.empty()) return absl::UnavailableError("no prefill worker has the model and is free");
  const size_t share = std::max<size_t>(prefill.size() / left, 1);
  Chain chain;
  for (const Worker* worker : prefill) {
    if (chain.prefill.size() < std::min<size_t>(std::max<uint32_t>(wish.prefill, 1), share)) {
      chain.prefill.push_back(*worker);
    }
  }
  if (auto own = JoinOwnLayers(shards, wish.layers)) {
    chain.shards = *std::move(own);
    return chain;
  }
  const uint32_t parts = std::clamp<uint32_t>(wish.shards, 1, std::max<uint32_t>(wish.layers, 1));
  for (const Worker* worker : shards) {
    const auto part = static_cast<uint32_t>(chain.shards.size());
    if (worker->layers || part == parts) continue;
    chain.shards.push_back(
        {*worker, {wish.layers * part / parts, wish.layers * (part + 1) / parts}});
  }
  if (chain.shards.size() == parts) return chain;
  return absl::UnavailableError(
      absl::StrCat("the free shards with the model do not join from layer 0 to ", wish.layers,
                   ", and of ", parts, " that take any layers there are ", chain.shards.size()));
}

}  // namespace

absl::StatusOr<std::vector<Chain>> ChooseChains(const Snapshot& snapshot, const ChainWish& wish) {
  Snapshot left = snapshot;
  std::vector<Chain> chains;
  for (uint32_t i = 0; i < wish.chains; ++i) {
    auto chain = ChooseChain(left, wish, wish.chains - i);
    if (!chain.ok()) {
      if (wish.chains == 1) return chain.status();
      return absl::UnavailableError(
          absl::StrCat("chain ", i + 1, " of ", wish.chains, ": ", chain.status().message()));
    }
    for (const Worker& worker : chain->prefill) left.workers.erase(worker.id);
    for (const ChainWorker& shard : chain->shards) left.workers.erase(shard.worker.id);
    chains.push_back(*std::move(chain));
  }
  return chains;
}

std::vector<Worker> ChooseStandbys(const Snapshot& snapshot, const ChainWish& wish,
                                   const std::vector<Layers>& ranges) {
  std::vector<Worker> standbys;
  const std::vector<const Worker*> shards = Usable(snapshot, wish, Role::kShard);
  for (const bool own_layers : {true, false}) {
    for (const Worker* worker : shards) {
      if (worker->layers.has_value() != own_layers) continue;
      const bool fits =
          !own_layers || std::find(ranges.begin(), ranges.end(), *worker->layers) != ranges.end();
      if (fits) standbys.push_back(*worker);
    }
  }
  return standbys;
}

}  // namespace waferline::membership
