#include "server/app/engine_services.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <iterator>
#include <map>
#include <optional>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "server/engines/openengine_services.h"
#include "server/engines/smg_services.h"
#include "server/engines/vllm_services.h"
#include "server/runtime/host.h"
#include "wafer_backend/base/files.h"
#include "wafer_backend/base/locked_file.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/compute/model/gguf.h"
#include "wafer_backend/compute/shard/packed_model.h"

namespace waferline::app {
namespace {

// A socket that listens everywhere is reached by the host that is advertised.
std::string Reached(const std::string& address, const std::string& host) {
  return absl::StrReplaceAll(address, {{"tcp://0.0.0.0:", absl::StrCat("tcp://", host, ":")},
                                       {"tcp://*:", absl::StrCat("tcp://", host, ":")},
                                       {"tcp://[::]:", absl::StrCat("tcp://", host, ":")}});
}

// The model's publisher without a topic, else its first one: a router reads one a rank.
std::optional<engines::KvEventSource> SourceOf(const config::EngineApiConfig& config,
                                               const Cloud& cloud) {
  std::optional<engines::KvEventSource> source;
  for (const metrics::KvEventFigures& one : cloud.kv_events()) {
    if (one.model != config.model || (source && !one.topic.empty())) continue;
    const bool better = !source || !source->topic.empty();
    if (!better) continue;
    source = {.endpoint = Reached(one.bind, config.advertise),
              .topic = one.topic,
              .replay = Reached(one.replay, config.advertise)};
  }
  return source;
}

void Append(std::vector<rpc::ExtraService> more, std::vector<rpc::ExtraService>* services) {
  std::move(more.begin(), more.end(), std::back_inserter(*services));
}

constexpr int64_t kMaxUnixSecond = int64_t{1} << 40;  // 34,000 years

absl::Status WrongFile(const std::string& what) {
  return absl::FailedPreconditionError(absl::StrCat("kv_transfer.taken_file: ", what));
}

// Before a file is made next to it, or one that is no file is waited for.
absl::Status CheckKind(const std::string& file) {
  const absl::Status kind = CheckRegularFileOrNew(file);
  if (kind.ok()) return kind;
  return WrongFile(
      absl::StrCat(kind.message(), "; name one, which the server makes if there is none"));
}

// The second up to which what was taken before was computed; 0: nothing was, or no file is kept.
absl::StatusOr<int64_t> TakenBefore(const std::string& file) {
  std::error_code ignored;
  if (file.empty() || !std::filesystem::exists(file, ignored)) return 0;
  int64_t second = 0;
  const absl::StatusOr<std::string> text = ReadFile(file, 64);
  if (text.ok() && absl::SimpleAtoi(*text, &second) && second >= 0 && second <= kMaxUnixSecond) {
    return second;
  }
  return WrongFile(
      absl::StrCat(file,
                   " has no Unix seconds, which keep an old hand-over from being used twice; wait "
                   "kv_transfer.keep_s, then remove the file"));
}

// A file that cannot be written is found at the start, not by each request.
absl::Status Keep(const std::string& file, int64_t second) {
  const absl::Status written = WriteFileDurably(file, absl::StrCat(second, "\n"));
  if (written.ok()) return written;
  return WrongFile(absl::StrCat(written.message(), "; name a file that can be written"));
}

// Two servers with one file would each forget what the other took.
absl::StatusOr<std::shared_ptr<LockedFile>> TakeAlone(const std::string& file) {
  absl::StatusOr<LockedFile> lock = LockedFile::Take(file + ".lock");
  if (lock.ok()) return std::make_shared<LockedFile>(*std::move(lock));
  const bool taken = absl::IsAlreadyExists(lock.status());
  return WrongFile(
      absl::StrCat(lock.status().message(), taken ? "; each server needs a file of its own" : ""));
}

}  // namespace

std::vector<rpc::ExtraService> EngineServices(const config::EngineApiConfig& config,
                                              const Cloud& cloud, const std::string& instance) {
  if (!config.any()) return {};
  const ModelCapacity capacity = cloud.CapacityOf(config.model);
  const engines::EngineFacts facts{
      .model = config.model,
      .model_source = config.model_source,
      .version = WAFERLINE_VERSION,
      .instance = instance,
      .block_tokens = static_cast<uint32_t>(capacity.block_tokens.count()),
      .kv_blocks = static_cast<uint64_t>(capacity.kv_blocks),
      .max_running = static_cast<uint64_t>(capacity.max_running),
      .kv_events = SourceOf(config, cloud)};
  std::vector<rpc::ExtraService> services;
  if (config.vllm) Append(engines::VllmServices(facts), &services);
  if (config.openengine) Append(engines::OpenEngineServices(facts), &services);
  if (config.smg) Append(engines::SmgServices(facts), &services);
  return services;
}

absl::Status CheckTakenFile(const std::string& file) {
  WL_RETURN_IF_ERROR(CheckKind(file));
  const std::filesystem::path folder = std::filesystem::path(file).parent_path();
  std::error_code ignored;
  if (!folder.empty() && !std::filesystem::is_directory(folder, ignored)) {
    return WrongFile(absl::StrCat("there is no folder ", folder.string(), ": make it"));
  }
  return TakenBefore(file).status();
}

absl::StatusOr<std::unique_ptr<serving::KvHandoffs>> HandoffsOf(const config::ServerConfig& config,
                                                                const std::string& instance,
                                                                int64_t unix_seconds) {
  const config::KvTransferConfig& transfer = config.kv_transfer;
  if (transfer.key.empty()) return std::make_unique<serving::KvHandoffs>();
  std::shared_ptr<LockedFile> lock;
  if (!transfer.taken_file.empty()) {
    WL_RETURN_IF_ERROR(CheckKind(transfer.taken_file));
    WL_ASSIGN_OR_RETURN(lock, TakeAlone(transfer.taken_file));
  }
  WL_ASSIGN_OR_RETURN(const int64_t taken, TakenBefore(transfer.taken_file));
  serving::KvHandoffs::KeepTaken keep;
  if (lock != nullptr) {
    WL_RETURN_IF_ERROR(Keep(transfer.taken_file, taken));
    keep = [file = transfer.taken_file, lock](int64_t computed) {
      const absl::Status kept = Keep(file, computed);
      if (kept.ok()) return kept;
      fprintf(stderr, "waferd: %s\n", std::string(kept.message()).c_str());
      return absl::UnavailableError(
          "cannot be recorded as used, so it is refused; see the server's log");
    };
  }
  std::map<std::string, uint64_t, std::less<>> weights;
  for (const config::ModelConfig& model : config.models) {
    if (model.tokens.from == config::TokenOriginKind::kSynthetic) continue;
    const auto file = model::GgufFile::Open(model.tokens.file);
    if (file.ok()) weights[model.lane.model] = shard::FingerprintOf(**file);
  }
  return std::make_unique<serving::KvHandoffs>(
      serving::KvHandoffs::Settings{.engine_id = instance,
                                    .key = transfer.key,
                                    .computes_prompts = transfer.role != config::KvRole::kDecode,
                                    .decodes = transfer.role != config::KvRole::kPrefill,
                                    .keep_seconds = transfer.keep_seconds,
                                    .started_unix_s = unix_seconds,
                                    .taken_unix_s = taken,
                                    .keep = std::move(keep),
                                    .weights = std::move(weights)});
}

void AwaitHandoffs(const serving::KvHandoffs& handoffs) {
  if (!handoffs.enabled() || !handoffs.settings().decodes) return;
  const auto open = [&] { return runtime::UnixSeconds() >= handoffs.takes_from_unix_s(); };
  if (runtime::WaitFor(open, Seconds(3))) return;
  fprintf(stderr,
          "waferd: the clock went back, or kv_transfer.taken_file is of another time: prompts that "
          "other servers computed before Unix second %lld are refused; it is %lld now. If the "
          "clock is right, wait kv_transfer.keep_s and remove the file\n",
          static_cast<long long>(handoffs.takes_from_unix_s()),
          static_cast<long long>(runtime::UnixSeconds()));
}

}  // namespace waferline::app
