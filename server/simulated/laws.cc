#include "server/simulated/laws.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "server/runtime/host.h"
#include "server/simulated/client.h"

namespace waferline::simulated {
namespace {

constexpr Nanoseconds kRetry = Milliseconds(50);
// What was released has been reported by every worker.
constexpr Nanoseconds kQuietBound = Seconds(5);
// A prompt whose client left goes on to the end of its step on the modelled device: longer than
// that.
constexpr Nanoseconds kIdle = Milliseconds(50);
// Of a request that is alone. A connection that a fault silenced may be found silent once the fault
// is over, and its network may hold packets back for a while.
constexpr int kMaxAlone = 8;

std::string HeldBy(const plane::PlaneCounters& counters) {
  Bytes shards;
  for (const Bytes kv : counters.kv_reserved) shards += kv;
  if (counters.live_sequences == 0 && counters.slots_in_use == 0 && shards == Bytes(0) &&
      counters.prefill_kv == Bytes(0) && counters.reports_pending == 0 && counters.outage.empty()) {
    return "";
  }
  return absl::StrCat(counters.live_sequences, " sequences, ", counters.slots_in_use, " slots, ",
                      shards.count(), " bytes of KV on shards, ", counters.prefill_kv.count(),
                      " in prefill, ", counters.reports_pending, " reports pending, outage \"",
                      counters.outage, "\"");
}

// What is wrong with the bytes between shards; "": a row of hidden values for each row computed.
std::string WrongRows(const plane::PlaneCounters& before, const plane::PlaneCounters& after) {
  const uint64_t rows = after.decode_rows - before.decode_rows;
  const uint64_t expected = rows * TinyModel::kHidden * sizeof(float);
  for (size_t i = 0; i < after.activation_bytes.size(); ++i) {
    const uint64_t was =
        i < before.activation_bytes.size() ? before.activation_bytes[i].payload : 0;
    const uint64_t moved = after.activation_bytes[i].payload - was;
    if (moved == expected) continue;
    return absl::StrCat("hop ", i, " moved ", moved, " bytes for ", rows, " rows, which have ",
                        expected);
  }
  return "";
}

void CheckEngine(Cloud* cloud, FrontEnd* front) {
  const engine::EngineSnapshot now = front->Snapshot();
  if (now.in_flight > 0) cloud->Fail(absl::StrCat("law 1: ", now.in_flight, " are in flight"));
  for (const engine::LaneSnapshot& lane : now.lanes) {
    for (const engine::UnitSnapshot& unit : lane.units) {
      if (unit.running > 0 || unit.pages_used > 0) {
        cloud->Fail(
            absl::StrCat("law 2: the engine holds ", unit.pages_used, " pages for nothing"));
      }
    }
  }
  uint64_t recorded = 0;
  for (const auto& [key, row] : front->ledger().Rows()) recorded += row.generated_tokens;
  if (recorded != now.tokens) {
    cloud->Fail(absl::StrCat("law 7: the ledger has ", recorded, " tokens, the engine emitted ",
                             now.tokens));
  }
  front->CheckLaws();
}

void CheckSram(Cloud* cloud, const FrontEnd& front) {
  const auto reserved = front.counters().kv_reserved;
  const auto memory = front.memory();
  for (size_t i = 0; i < reserved.size() && i < memory.size(); ++i) {
    if (reserved[i] > memory[i].kv_capacity()) {
      cloud->Fail(absl::StrCat("law 2: shard ", i, " holds ", reserved[i].count(),
                               " bytes of KV, its SRAM has room for ",
                               memory[i].kv_capacity().count()));
    }
  }
}

// Asks when nothing is held; `before` is what was counted until then. False: a worker was lost
// meanwhile, so rows that were on their way crossed again, and the driver counts them once.
bool AskAlone(Cloud* cloud, Cloud::Front* front, plane::PlaneCounters* before) {
  FrontEnd* const serving = front->serving;
  runtime::WaitFor([&] { return HeldBy(*before = serving->counters()).empty(); }, kQuietBound);
  if (AskOnce(cloud, front, cloud->world().Draw(kAsks), Manner::kAlone) != Ending::kComplete) {
    cloud->Fail("a request that is alone fails though nothing is wrong");
  }
  return serving->counters().host_recoveries == before->host_recoveries;
}

}  // namespace

void CheckWhileServing(Cloud* cloud) {
  const MutexLock lock(&cloud->mutex());
  for (Cloud::Front& front : cloud->fronts()) {
    if (front.serving == nullptr || front.process->dead) continue;
    CheckSram(cloud, *front.serving);
    front.serving->CheckLaws();
  }
}

void CheckRecovery(Cloud* cloud) {
  const Nanoseconds bound = runtime::MonotonicNow() + cloud->options().recovery_bound;
  for (size_t ask = 0; ask < kAsks; ++ask) {
    while (AskOnce(cloud, cloud->leader(), ask, Manner::kStays) != Ending::kComplete) {
      if (!cloud->failure().empty()) return;
      if (runtime::MonotonicNow() > bound) {
        return cloud->Fail(absl::StrCat("no request has succeeded ",
                                        ToSeconds(cloud->options().recovery_bound),
                                        " s after the last fault"));
      }
      if (cloud->leader() == nullptr && cloud->Follower() != nullptr) {
        cloud->StartFront(cloud->Follower());
      }
      runtime::SleepFor(kRetry);
    }
    if (cloud->options().faults && ask == 2) return;
  }
}

void CheckNothingHeld(Cloud* cloud) {
  Cloud::Front* const front = cloud->leader();
  if (front == nullptr || front->serving == nullptr) return cloud->Fail("no front end serves");
  FrontEnd* const serving = front->serving;
  std::string held;
  const bool quiet =
      runtime::WaitFor([&] { return (held = HeldBy(serving->counters())).empty(); }, kQuietBound);
  if (!quiet) return cloud->Fail(absl::StrCat("law 2: after the end there are still ", held));
  for (const link::LinkBytes& hop : serving->counters().activation_bytes) {
    if (hop.payload % (TinyModel::kHidden * sizeof(float)) != 0) {
      cloud->Fail("law 3: something else than rows of hidden values went between shards");
    }
  }
  CheckEngine(cloud, serving);
}

void CheckAlone(Cloud* cloud) {
  Cloud::Front* const front = cloud->leader();
  if (!cloud->failure().empty() || front == nullptr || front->serving == nullptr) return;
  FrontEnd* const serving = front->serving;
  // The first one is for the shards' reports: those of one that has just been started again are of
  // the one before it.
  plane::PlaneCounters before;
  runtime::SleepFor(kIdle);
  AskAlone(cloud, front, &before);
  bool alone = false;
  for (int i = 0; i < kMaxAlone && !alone && cloud->failure().empty(); ++i) {
    alone = AskAlone(cloud, front, &before);
  }
  if (!cloud->failure().empty()) return;
  if (!alone) return cloud->Fail("workers are lost again and again though nothing is wrong");
  std::string wrong;
  const bool whole = runtime::WaitFor(
      [&] { return (wrong = WrongRows(before, serving->counters())).empty(); }, kQuietBound);
  if (!whole) cloud->Fail(absl::StrCat("law 3: ", wrong));
}

}  // namespace waferline::simulated
