// Which workers should make up a cell's chain. Pure functions, any thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "wafer_backend/membership/membership.h"

namespace waferline::membership {

struct ChainWish {
  std::string cell;
  uint64_t fingerprint = 0;  // of the model file that its workers must have
  uint32_t layers = 0;       // of the model
  uint32_t shards = 1;       // among how many workers without layers of their own they are cut
  uint32_t prefill = 1;      // prefill workers a chain, or fewer if there are no more
  uint32_t chains = 1;       // with all layers each
};

struct ChainWorker {
  Worker worker;
  Layers layers;  // that it has or should load
};

struct Chain {
  std::vector<ChainWorker> shards;  // by layers
  std::vector<Worker> prefill;      // at least one
};

// wish.chains of them, of workers that are listed, have the model, and are free or the cell's
// already. Its own ones come before free ones, then the order is that of ids, so the answer depends
// on the snapshot alone. Shards with layers of their own are used where they join up to the whole
// model; else workers without are given even parts. Unavailable: says what is missing.
absl::StatusOr<std::vector<Chain>> ChooseChains(const Snapshot& snapshot, const ChainWish& wish);

// Shards that could take the place of one of the chains with these ranges of layers: those that
// have one of them, then those that take any. The cell's own ones before free ones; workers of the
// chains are among them.
std::vector<Worker> ChooseStandbys(const Snapshot& snapshot, const ChainWish& wish,
                                   const std::vector<Layers>& ranges);

}  // namespace waferline::membership
