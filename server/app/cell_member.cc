#include "server/app/cell_member.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/app/remark_log.h"
#include "server/app/signals.h"
#include "server/cell/chain_claim.h"
#include "server/runtime/host.h"
#include "wafer_backend/base/files.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/compute/model/families/families.h"
#include "wafer_backend/compute/model/gguf.h"
#include "wafer_backend/compute/model/model_shape.h"
#include "wafer_backend/compute/shard/packed_model.h"

namespace waferline::app {
namespace {

constexpr Nanoseconds kTryEvery = Milliseconds(500);  // to claim workers
constexpr Nanoseconds kJoinAgain = Seconds(10);       // a chain that did not come up
constexpr Nanoseconds kListingPatience = Seconds(5);  // for workers to list what they have seen

// What a model needs of its cell.
absl::StatusOr<membership::ChainWish> WishOf(const config::CellConfig& cell,
                                             const std::string& path) {
  WL_ASSIGN_OR_RETURN(const auto file, model::GgufFile::Open(path));
  WL_ASSIGN_OR_RETURN(const model::ModelShape shape, model::ReadShape(*file));
  return membership::ChainWish{.cell = cell.name,
                               .fingerprint = shard::FingerprintOf(*file),
                               .layers = static_cast<uint32_t>(shape.layers),
                               .shards = static_cast<uint32_t>(cell.shards),
                               .prefill = static_cast<uint32_t>(cell.prefill_workers),
                               .chains = static_cast<uint32_t>(cell.chains)};
}

config::WorkerChain EndpointsOf(const membership::Chain& chain) {
  config::WorkerChain out;
  for (const membership::Worker& worker : chain.prefill) out.prefill.push_back(worker.endpoint);
  for (const membership::ChainWorker& shard : chain.shards) {
    out.shards.push_back(shard.worker.endpoint);
  }
  return out;
}

bool FromFleet(const config::TokensConfig& tokens) {
  return tokens.from == config::TokenOriginKind::kRemote && tokens.chains.empty();
}

}  // namespace

registry::RegistryAddress RegistryOf(const config::CellConfig& cell) {
  return {.file = cell.file,
          .endpoints = cell.endpoints,
          .prefix = cell.prefix,
          .cloud = cell.cloud,
          .ttl_s = cell.ttl_s,
          .tls = {.ca = cell.ca, .cert = cell.cert, .key = cell.key}};
}

absl::StatusOr<std::unique_ptr<CellMember>> CellMember::Join(ServeOptions* options) {
  const config::CellConfig& cell = *options->config.cell;
  WL_RETURN_IF_ERROR(membership::CheckName("cell.name", cell.name));
  std::unique_ptr<CellMember> member(new CellMember());
  WL_ASSIGN_OR_RETURN(
      member->registry_,
      registry::OpenRegistry(RegistryOf(cell),
                             [log = std::make_shared<RemarkLog>("registry")](
                                 const std::string& remark) { log->Print(remark); }));
  member->configured_ = options->config;
  WL_RETURN_IF_ERROR(member->OpenDoor(*options));
  options->config.listen.http_port = member->door_->port();
  const std::string listens =
      absl::StrCat(options->config.listen.address, ":", member->door_->port());
  const std::string http = cell.advertise.empty() ? listens : cell.advertise;
  member->leadership_ = std::make_unique<cell::Leadership>(
      member->registry_.get(), cell.name,
      membership::Leader{.id = cell.id.empty() ? http : cell.id, .http = http});
  member->shown_ = member->leadership_.get();
  return member;
}

absl::Status CellMember::OpenDoor(const ServeOptions& options) {
  const StandbyDoor::Answers answers{
      .why = [this] { return Why(); },
      .leader =
          [this] {
            const cell::Leadership* leadership = shown_;
            return leadership == nullptr ? std::string() : leadership->LeaderHttp();
          },
      .metrics = [this](const auto& names) { return metrics::StandbyText(Figures(), names); }};
  WL_ASSIGN_OR_RETURN(door_, StandbyDoor::Open(options.config, answers));
  if (options.port_file.empty()) return absl::OkStatus();
  return WriteFileAtOnce(options.port_file,
                         absl::StrCat("{\"http\":", door_->port(), ",\"grpc\":0,\"standby\":true,",
                                      "\"pid\":", getpid(), "}\n"));
}

absl::StatusOr<bool> CellMember::StandBy(ServeOptions* options) {
  if (door_ == nullptr) WL_RETURN_IF_ERROR(OpenDoor(*options));
  printf("waferd: front end of cell %s, standing by on port %u\n", leadership_->cell().c_str(),
         door_->port());
  FlushPrinted();
  absl::Status failed;
  const char* signal = WaitForSignal([&] {
    if (!leadership_->leading() || runtime::MonotonicNow() < next_claim_) return false;
    next_claim_ = runtime::MonotonicNow() + kTryEvery;
    failed = ClaimWorkers(options);
    const MutexLock lock(&mutex_);
    why_ = failed.ok() ? "" : std::string(failed.message());
    return !absl::IsUnavailable(failed);
  });
  if (signal != nullptr) return false;
  WL_RETURN_IF_ERROR(failed);
  printf("waferd: leads cell %s, epoch %llu\n", leadership_->cell().c_str(),
         static_cast<unsigned long long>(leadership_->epoch()));
  return true;
}

absl::Status CellMember::ClaimWorkers(ServeOptions* options) {
  fleets_.clear();
  options->standbys.clear();
  config::ServerConfig* const config = &options->config;
  claimed_epoch_ = leadership_->epoch();
  for (size_t i = 0; i < config->models.size(); ++i) {
    if (!FromFleet(configured_.models[i].tokens)) continue;
    config::TokensConfig& tokens = config->models[i].tokens;
    WL_ASSIGN_OR_RETURN(const membership::ChainWish wish, WishOf(*configured_.cell, tokens.file));
    WL_ASSIGN_OR_RETURN(std::vector<membership::Chain> chains,
                        cell::ClaimChains(registry_.get(), wish, claimed_epoch_));
    WL_RETURN_IF_ERROR(RequireLargerEpoch(chains));
    tokens.cell = leadership_->cell();
    tokens.epoch = leadership_->epoch();
    tokens.chains.clear();
    const auto standbys = std::make_shared<membership::StandbyPool>();
    for (const membership::Chain& chain : chains) {
      tokens.chains.push_back(EndpointsOf(chain));
      standbys->SetChain(tokens.chains.size() - 1, tokens.chains.back().shards);
    }
    options->standbys[config->models[i].lane.model] = standbys;
    fleets_.push_back({config->models[i].lane.model, wish, std::move(chains), standbys, {}, {}});
  }
  used_epoch_ = claimed_epoch_;
  return absl::OkStatus();
}

absl::Status CellMember::RequireLargerEpoch(const std::vector<membership::Chain>& chains) {
  const uint64_t seen = cell::LargestEpoch(chains);
  if (seen < claimed_epoch_ || (seen == claimed_epoch_ && seen == used_epoch_)) {
    return absl::OkStatus();
  }
  leadership_->RaiseAbove(seen);
  return absl::UnavailableError(absl::StrCat(
      "epoch ", claimed_epoch_, " is not larger than epoch ", seen,
      ", which workers have seen: the registry was restored from a backup, or lost its "
      "data; a larger one will be used"));
}

void CellMember::KeepClaims(const JoinChain& join) {
  if (!leadership_->leading() || runtime::MonotonicNow() < next_claim_) return;
  next_claim_ = runtime::MonotonicNow() + kTryEvery;
  claimed_epoch_ = leadership_->epoch();
  for (const Fleet& fleet : fleets_) {  // what fails is tried again at the next call
    (void)cell::KeepClaimed(registry_.get(), fleet.chains, {leadership_->cell(), claimed_epoch_});
  }
  KeepStandbys();
  LookForChains(join);
}

void CellMember::KeepStandbys() {
  for (Fleet& fleet : fleets_) {
    cell::StandbyWish wish{.of = fleet.wish,
                           .in_chains = fleet.standbys->InChains(),
                           .wanted = static_cast<size_t>(configured_.cell->standbys)};
    for (const membership::Chain& chain : fleet.chains) {
      for (const membership::ChainWorker& shard : chain.shards) {
        wish.ranges.push_back(shard.layers);
      }
    }
    fleet.spares =
        cell::ClaimStandbys(registry_.get(), wish, {leadership_->cell(), claimed_epoch_});
    fleet.standbys->Offer(fleet.spares);
  }
}

// Of workers that are in no chain and are not standbys.
void CellMember::LookForChains(const JoinChain& join) {
  for (Fleet& fleet : fleets_) {
    if (fleet.chains.size() >= fleet.wish.chains) continue;
    if (runtime::MonotonicNow() < fleet.next_chain) continue;
    std::vector<std::string> busy = InChains(fleet);
    busy.insert(busy.end(), fleet.spares.begin(), fleet.spares.end());
    const membership::Registry::Claimed by{leadership_->cell(), claimed_epoch_};
    auto chain = cell::ClaimOneMore(registry_.get(), fleet.wish, busy, by);
    if (!chain.ok()) continue;  // there are not enough workers
    const config::WorkerChain endpoints = EndpointsOf(*chain);
    fleet.standbys->SetChain(fleet.chains.size(), endpoints.shards);
    const absl::Status joined = join(fleet.model, endpoints);
    if (joined.ok()) {
      printf("waferd: chain %zu of %u of model %s serves, too\n", fleet.chains.size() + 1,
             fleet.wish.chains, fleet.model.c_str());
      FlushPrinted();
      fleet.chains.push_back(*std::move(chain));
      continue;
    }
    fprintf(stderr, "waferd: chain %zu of model %s: %s\n", fleet.chains.size() + 1,
            fleet.model.c_str(), std::string(joined.message()).c_str());
    fleet.standbys->SetChain(fleet.chains.size(), {});
    cell::ReleaseChain(registry_.get(), *chain, by);
    fleet.next_chain = runtime::MonotonicNow() + kJoinAgain;
  }
}

std::vector<std::string> CellMember::InChains(const Fleet& fleet) {
  std::vector<std::string> endpoints = fleet.standbys->InChains();
  for (const membership::Chain& chain : fleet.chains) {
    for (const membership::Worker& worker : chain.prefill) endpoints.push_back(worker.endpoint);
  }
  return endpoints;
}

bool CellMember::EpochIsOver() const {
  return runtime::WaitFor(
      [this] {
        return std::ranges::any_of(fleets_, [this](const Fleet& fleet) {
          return cell::AnyServedLarger(*registry_, InChains(fleet), used_epoch_);
        });
      },
      kListingPatience);
}

bool CellMember::LostWorkers(
    const std::function<std::string(const std::string& model)>& outage_of) const {
  return leadership_->leading() && std::ranges::any_of(fleets_, [&](const Fleet& fleet) {
           return !outage_of(fleet.model).empty() &&
                  cell::AnyServedLarger(*registry_, InChains(fleet), used_epoch_);
         });
}

void CellMember::EndLeading(const absl::Status& why) {
  {
    const MutexLock lock(&mutex_);
    why_ = std::string(why.message());
  }
  leadership_->StandBy();
}

std::string CellMember::Why() const {
  const cell::Leadership* leadership = shown_;
  if (leadership != nullptr && leadership->leading()) {
    const MutexLock lock(&mutex_);
    return why_.empty() ? "this front end leads its cell and is starting"
                        : "this front end leads its cell and cannot serve yet: " + why_;
  }
  if (const absl::Status status = registry_->status(); !status.ok()) {
    return absl::StrCat("standing by, and the registry does not answer: ", status.message());
  }
  const std::string leader = leadership == nullptr ? "" : leadership->LeaderHttp();
  if (leader.empty()) return "standing by: no front end leads this cell now, one is being elected";
  return "standing by: the front end at " + leader + " leads this cell; send requests there";
}

metrics::CellFigures CellMember::Figures() const {
  metrics::CellFigures figures{.cell = configured_.cell->name, .registry_age = registry_->age()};
  if (const cell::Leadership* leadership = shown_) {
    figures.epoch = leadership->epoch();
    figures.leading = leadership->leading();
  }
  const auto now = registry_->snapshot();
  if (now == nullptr) return figures;
  for (const auto& [id, claim] : now->claims) figures.claimed += claim.cell == figures.cell ? 1 : 0;
  for (const auto& [id, worker] : now->workers) figures.spare += now->claims.contains(id) ? 0 : 1;
  return figures;
}

}  // namespace waferline::app
