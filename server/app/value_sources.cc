#include "server/app/value_sources.h"

#include <atomic>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/app/process_identity.h"
#include "server/app/remark_log.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/compute/model/families/families.h"
#include "wafer_backend/compute/model/model_shape.h"
#include "wafer_backend/compute/plane/chained_source.h"
#include "wafer_backend/compute/plane/synthetic_source.h"
#include "wafer_backend/compute/shard/packed_model.h"

namespace waferline::app {

absl::Status CheckSameVocabulary(const model::GgufFile& draft, const model::Tokenizer& tokenizer) {
  WL_ASSIGN_OR_RETURN(const auto drafts, model::TokenizerFromGguf(draft));
  const auto differs = [&draft](const auto&... what) {
    return absl::InvalidArgumentError(
        absl::StrCat("draft_file: ", draft.name(),
                     " has another vocabulary than the model it drafts for: ", what...));
  };
  if (drafts->size() != tokenizer.size()) {
    return differs(drafts->size(), " tokens instead of ", tokenizer.size());
  }
  for (TokenId id = 0; id < tokenizer.size(); ++id) {
    if (drafts->RawPiece(id) == tokenizer.RawPiece(id)) continue;
    return differs("token ", id, " is ", model::Quoted(drafts->RawPiece(id)), " instead of ",
                   model::Quoted(tokenizer.RawPiece(id)));
  }
  return absl::OkStatus();
}

namespace {

absl::StatusOr<plane::SpeculationOptions> SpeculationOf(const config::TokensConfig& config,
                                                        const model::Tokenizer& tokenizer) {
  plane::SpeculationOptions options;
  options.lookup = config.speculation == config::SpeculationKind::kLookup;
  if (config.speculation == config::SpeculationKind::kDraft) {
    WL_ASSIGN_OR_RETURN(options.draft, model::GgufFile::Open(config.draft_file));
    WL_RETURN_IF_ERROR(CheckSameVocabulary(*options.draft, tokenizer));
  }
  return options;
}

absl::StatusOr<OpenedSource> OpenPlane(const plane::PlaneOptions& options, Waker* waker) {
  WL_ASSIGN_OR_RETURN(auto plane, plane::ComputePlane::Create(options, waker));
  OpenedSource out;
  out.plane = plane.get();
  out.values = std::move(plane);
  return out;
}

absl::StatusOr<OpenedSource> OpenShards(const config::TokensConfig& config,
                                        const SourceParts& parts) {
  WL_ASSIGN_OR_RETURN(const model::ModelShape shape, model::ReadShape(*parts.file));
  plane::PlaneOptions options;
  options.model = parts.model;
  options.local.file = parts.file;
  options.local.shards = config.shards;
  options.local.experts_over = config.experts_over;
  options.local.feed_forward_workers = config.feed_forward_workers;
  options.local.feed_forward_threads = config.threads;
  options.local.micro_batches = config.micro_batches;
  options.local.sram = Bytes(static_cast<int64_t>(config.shard_sram_bytes));
  options.local.slots = static_cast<uint32_t>(parts.sequences);
  options.local.prefill.chunk_tokens = config.prefill_chunk;
  options.local.prefill.kv_bytes = Bytes(static_cast<int64_t>(config.prefill_kv_bytes));
  options.threads = config.threads;
  options.max_batch = config.max_batch;
  WL_ASSIGN_OR_RETURN(options.speculation, SpeculationOf(config, *parts.tokenizer));
  WL_ASSIGN_OR_RETURN(OpenedSource out, OpenPlane(options, parts.waker));
  if (config.from == config::TokenOriginKind::kSplit) {
    out.label = absl::StrCat("computed: ", std::string(shape.architecture), " of ", shape.layers,
                             " layers, attention on ", config.shards, " workers, feed-forward on ",
                             config.feed_forward_workers);
    return out;
  }
  out.label = absl::StrCat(
      "computed: ", std::string(shape.architecture), " of ", shape.layers, " layers on ",
      config.shards, config.shards == 1 ? " shard" : " shards",
      config.experts_over == 1 ? "" : absl::StrCat(", experts of each over ", config.experts_over));
  return out;
}

// A shard that was replaced may take another one's place.
std::shared_ptr<membership::StandbyPool> StandbysOf(const config::TokensConfig& config) {
  if (config.standby_workers.empty()) return nullptr;
  std::vector<std::string> all = config.standby_workers;
  for (const config::WorkerChain& chain : config.chains) {
    all.insert(all.end(), chain.shards.begin(), chain.shards.end());
  }
  auto standbys = std::make_shared<membership::StandbyPool>();
  standbys->Offer(std::move(all));
  return standbys;
}

// `options` for one of several chains.
plane::PlaneOptions OnChain(plane::PlaneOptions options, const config::WorkerChain& chain,
                            size_t index) {
  options.remote.shards = chain.shards;
  options.remote.prefill = chain.prefill;
  options.remote.chain = index;
  return options;
}

// One plane, or one for each chain; more may join if a cell looks for them. Generations are counted
// together, since a standby may serve one chain after another.
absl::StatusOr<OpenedSource> OpenChains(plane::PlaneOptions options,
                                        const std::vector<config::WorkerChain>& chains,
                                        const SourceParts& parts) {
  options.remote.generations =
      std::make_shared<std::atomic<uint64_t>>(options.remote.credentials.fence.generation);
  std::vector<plane::PlaneOptions> planes;
  for (const config::WorkerChain& chain : chains) {
    planes.push_back(OnChain(options, chain, planes.size()));
  }
  const bool of_a_cell = parts.standbys != nullptr;
  if (planes.size() == 1 && !of_a_cell) return OpenPlane(planes[0], parts.waker);
  WL_ASSIGN_OR_RETURN(auto source, plane::ChainedSource::Create(planes, parts.waker));
  OpenedSource out;
  out.plane = source.get();
  if (of_a_cell) {
    out.join = [options, into = source.get(), next = planes.size()](const auto& chain) mutable {
      WL_RETURN_IF_ERROR(into->Join(OnChain(options, chain, next)));
      ++next;
      return absl::OkStatus();
    };
  }
  out.values = std::move(source);
  return out;
}

absl::StatusOr<OpenedSource> OpenRemote(const config::TokensConfig& config,
                                        const SourceParts& parts) {
  plane::PlaneOptions options;
  options.model = parts.model;
  const bool split = config.from == config::TokenOriginKind::kSplit;
  options.remote = {.attention = split,
                    .standbys = parts.standbys != nullptr ? parts.standbys : StandbysOf(config),
                    .fingerprint = shard::FingerprintOf(*parts.file),
                    .sequences = static_cast<uint32_t>(parts.sequences),
                    .max_outage = config.worker_outage,
                    .outage_patience = config.outage_patience,
                    .liveness = {.patience = config.worker_patience},
                    .credentials = DriverCredentials(config.cell, config.epoch),
                    .tls = parts.links,
                    .on_remark = [log = std::make_shared<RemarkLog>("model " + parts.model)](
                                     const std::string& remark) { log->Print(remark); }};
  options.max_batch = config.max_batch;
  WL_ASSIGN_OR_RETURN(options.speculation, SpeculationOf(config, *parts.tokenizer));
  WL_ASSIGN_OR_RETURN(OpenedSource out, OpenChains(options, config.chains, parts));
  WL_ASSIGN_OR_RETURN(const model::ModelShape shape, model::ReadShape(*parts.file));
  size_t shards = 0;
  for (const config::WorkerChain& chain : config.chains) shards += chain.shards.size();
  out.label = absl::StrCat(
      "computed: ", std::string(shape.architecture), " of ", shape.layers, " layers on ", shards,
      split ? " attention processes, feed-forward on others" : " shard processes",
      config.chains.size() == 1 ? "" : absl::StrCat(" in ", config.chains.size(), " chains"));
  return out;
}

absl::StatusOr<OpenedSource> OpenSynthetic(const SourceParts& parts) {
  std::vector<std::vector<TokenId>> sentences;
  for (const std::string& sentence : plane::SyntheticSource::Sentences()) {
    sentences.push_back(parts.tokenizer->Encode(sentence, {.add_special = false}));
  }
  OpenedSource out;
  out.values =
      std::make_unique<plane::SyntheticSource>(std::move(sentences), parts.emulated_memory);
  out.label = "emulated: no weights here, the text is a stand-in";
  return out;
}

}  // namespace

absl::StatusOr<OpenedSource> OpenSource(const config::TokensConfig& config,
                                        const SourceParts& parts) {
  switch (config.from) {
    case config::TokenOriginKind::kShards:
      return OpenShards(config, parts);
    case config::TokenOriginKind::kRemote:
      return OpenRemote(config, parts);
    case config::TokenOriginKind::kSplit:
      return config.chains.empty() ? OpenShards(config, parts) : OpenRemote(config, parts);
    case config::TokenOriginKind::kSynthetic:
      return OpenSynthetic(parts);
  }
  return absl::InternalError("no such source");
}

}  // namespace waferline::app
