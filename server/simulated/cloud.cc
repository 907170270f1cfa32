#include "server/simulated/cloud.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "server/runtime/host.h"
#include "server/simulated/books.h"
#include "wafer_backend/compute/prefill/prefill_server.h"
#include "wafer_backend/compute/shard/shard_server.h"

namespace waferline::simulated {
namespace {

constexpr int64_t kPageTokens = 16;
constexpr int64_t kMaxRows = 16;
constexpr Nanoseconds kBetweenStarts = Milliseconds(100);

}  // namespace

void Figures::Add(const Figures& other) {
  for (size_t i = 0; i < faults.size(); ++i) faults[i] += other.faults[i];
  frame_faults += other.frame_faults;
  requests += other.requests;
  complete += other.complete;
  failed += other.failed;
  refused += other.refused;
  cancelled += other.cancelled;
  lost += other.lost;
  tokens += other.tokens;
  recoveries += other.recoveries;
  turns += other.turns;
  records += other.records;
  interrupted += other.interrupted;
  AddDisk(other.disk);
  net.packets += other.net.packets;
  net.lost += other.net.lost;
  net.overtaken += other.net.overtaken;
  net.pieces += other.net.pieces;
  net.cut += other.net.cut;
  net.resets += other.net.resets;
  net.refused += other.net.refused;
  virtual_time += other.virtual_time;
  for (const auto& [what, count] : other.errors) errors[what] += count;
}

void Figures::AddDisk(const store::DiskFigures& other) {
  disk.writes += other.writes;
  disk.syncs += other.syncs;
  disk.slow_syncs += other.slow_syncs;
  disk.errors += other.errors;
  disk.power_losses += other.power_losses;
  disk.writes_lost += other.writes_lost;
}

Cloud::Cloud(World* world, const RunOptions& options, const Fixtures& fixtures)
    : world_(world), options_(options), fixtures_(fixtures) {
  election_ = !world->OneIn(4);
  max_batch_ = 1 + static_cast<int64_t>(world->Draw(8));
  AddShards();
  AddPrefill();
  for (const char* name : {"front-a", "front-b"}) {
    Front& front = fronts_.emplace_back();
    front.node = world->AddNode(name);
    front.disk = std::make_unique<store::SimulatedDisk>(world, fixtures.database);
    if (world->OneIn(2)) front.durability = store::Durability::kPower;
  }
  // Who waits for a process that dies learns of it.
  world->OnKill([this](Process& process) {
    for (Front& front : fronts_) {
      front.changed.NotifyAll();
      if (front.process == &process) front.disk->OnDeath();
    }
  });
  for (Worker& worker : workers_) StartWorker(&worker);
  StartFront(&fronts_[world->Draw(2)]);
}

void Cloud::AddShards() {
  fingerprint_ = fixtures_.model.packed()->fingerprint();
  const auto count = static_cast<int64_t>(1 + world_->Draw(TinyModel::kLayers));
  const auto slots = static_cast<uint32_t>(FrontEnd::kMaxRunning + world_->Draw(3));
  const bool awaits_assign =
      options_.frame_fault && options_.frame_fault->frame == link::FrameKind::kAssign;
  for (const shard::LayerRange& range : shard::CutEvenly(TinyModel::kLayers, count)) {
    const std::string name = absl::StrCat("shard-", shard_endpoints_.size());
    Worker& worker = workers_.emplace_back();
    worker.node = world_->AddNode(name);
    shard_endpoints_.push_back(name + ":1");
    // None: its driver assigns them.
    const bool assigned = world_->OneIn(3) || awaits_assign;
    const shard::LayerRange own = assigned ? shard::LayerRange{} : range;
    worker.main = [this, name, own, slots, model = fixtures_.model.packed()](Process& process) {
      shard::ShardServerOptions options;
      options.listen = name + ":1";
      options.model = model;
      options.shard.range = own;
      options.shard.page_tokens = kPageTokens;
      options.shard.slots = slots;
      options.shard.max_rows = kMaxRows;
      options.name = name;
      options.incarnation = ++incarnations_;
      options.liveness = options_.liveness;
      options.threads = 1;
      const absl::Status status = shard::RunShardServer(options, process.stop);
      if (!status.ok() && !process.dead) Fail(absl::StrCat(name, ": ", status.ToString()));
    };
  }
}

void Cloud::AddPrefill() {
  const uint64_t count = 1 + world_->Draw(2);
  const auto chunk = static_cast<int64_t>(4 + world_->Draw(30));
  for (uint64_t i = 0; i < count; ++i) {
    const std::string name = absl::StrCat("prefill-", i);
    Worker& worker = workers_.emplace_back();
    worker.node = world_->AddNode(name);
    prefill_endpoints_.push_back(name + ":1");
    worker.main = [this, name, chunk, model = fixtures_.model.packed()](Process& process) {
      prefill::PrefillServerOptions options;
      options.listen = name + ":1";
      options.model = model;
      options.prefill.page_tokens = kPageTokens;
      options.prefill.chunk_tokens = chunk;
      options.name = name;
      options.incarnation = ++incarnations_;
      options.liveness = options_.liveness;
      options.threads = 1;
      const absl::Status status = prefill::RunPrefillServer(options, process.stop);
      if (!status.ok() && !process.dead) Fail(absl::StrCat(name, ": ", status.ToString()));
    };
  }
}

void Cloud::StartWorker(Worker* worker) {
  world_->net().SetSilentDeath(worker->node, false);
  worker->process = world_->StartProcess(worker->node, worker->main);
}

Cloud::Front* Cloud::Follower() {
  for (Front& front : fronts_) {
    if (&front != leader_ && (front.process == nullptr || front.process->over)) return &front;
  }
  return nullptr;
}

void Cloud::StartFront(Front* front) {
  world_->net().SetSilentDeath(front->node, false);
  front->epoch = election_ ? ++epochs_ : 0;
  leader_ = front;
  front->process = world_->StartProcess(
      front->node, [this, front](Process& process) { RunFront(front, process); });
}

void Cloud::StopFront(Front* front) {
  front->process->stop = true;
  front->changed.NotifyAll();
}

FrontEnd::Options Cloud::OptionsOf(const Front& front) {
  FrontEnd::Options options;
  plane::RemoteOptions& remote = options.remote;
  remote.shards = shard_endpoints_;
  remote.prefill = prefill_endpoints_;
  remote.fingerprint = fingerprint_;
  remote.sequences = FrontEnd::kMaxRunning;
  remote.between_attempts = Milliseconds(50);
  remote.max_outage = options_.max_outage;
  remote.outage_patience = options_.outage_patience;
  remote.liveness = options_.liveness;
  const uint64_t incarnation = ++incarnations_;
  remote.credentials = {.cell = "simulated",
                        .worker = world_->net().NameOf(front.node),
                        .incarnation = incarnation,
                        .fence = {.epoch = front.epoch, .generation = incarnation << 20}};
  options.max_batch = max_batch_;
  return options;
}

// As server/app: until it is told to stop, the front end is built and serves.
void Cloud::RunFront(Front* front, Process& process) {
  std::unique_ptr<store::Store> store;
  while (!process.stop) {
    if (store == nullptr) {
      auto opened = front->disk->OpenStore(&process, front->durability);
      if (!opened.ok()) {
        runtime::SleepFor(kBetweenStarts);
        continue;
      }
      store = *std::move(opened);
    }
    FrontEnd::Options options = OptionsOf(*front);
    options.store = store.get();
    options.prices = &Prices();
    auto made = FrontEnd::Start(options);
    if (!made.ok()) {
      ++figures_.errors[absl::StrCat("start: ", made.status().message().substr(0, 60))];
      if (absl::IsFailedPrecondition(made.status())) break;  // its epoch is over: it stands by
      runtime::SleepFor(kBetweenStarts);
      continue;
    }
    FrontEnd& serving = **made;
    {
      MutexLock lock(&mutex_);
      front->serving = &serving;
      front->changed.NotifyAll();
      front->changed.Wait(&mutex_, [&process] { return process.stop.load(); });
      front->serving = nullptr;
    }
    if (!serving.Stop()) unsettled_.insert(&process);
    figures_.recoveries +=
        serving.counters().host_recoveries[0] + serving.counters().host_recoveries[1];
    if (serving.early()) Fail("law 5: a token left before its instant");
    MutexLock lock(&mutex_);
    front->changed.Wait(&mutex_, [front] { return front->calls == 0; });
  }
}

bool Cloud::MayLackMarks(const Process& server) const {
  return server.dead || unsettled_.contains(&server);
}

void Cloud::SendClientsAway() {
  ++departures_;
  for (Front& front : fronts_) front.changed.NotifyAll();
}

void Cloud::Fail(const std::string& what) {
  if (failure_.empty()) failure_ = what;
}

}  // namespace waferline::simulated
