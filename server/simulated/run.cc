#include "server/simulated/run.h"

#include <cstdio>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/runtime/host.h"
#include "server/simulated/books.h"
#include "server/simulated/client.h"
#include "server/simulated/laws.h"
#include "server/simulated/trouble.h"
#include "wafer_backend/base/check.h"

namespace waferline::simulated {
namespace {

// After everything was told to stop, no process may go on for longer.
constexpr Nanoseconds kStopBound = Seconds(60);
constexpr Nanoseconds kBetweenChecks = Milliseconds(300);

class Run {
 public:
  Run(const RunOptions& options, const Fixtures& fixtures)
      : options_(options),
        world_(options.seed),
        cloud_(&world_, options, fixtures),
        trouble_(&cloud_) {}

  RunResult All() {
    const Nanoseconds begin = world_.Now();
    const Node node = world_.AddNode("clients");
    Process* const checker =
        world_.StartProcess(node, [this](Process& process) { Check(process); });
    if (options_.faults) {
      for (int i = 0; i < options_.clients; ++i) {
        clients_.push_back(world_.StartProcess(
            node, [this, i](Process& process) { RunClient(&cloud_, process, i); }));
      }
      if (options_.frame_fault) {
        if (!options_.frame_fault->alone) trouble_.Await(*options_.frame_fault);
      } else {
        trouble_.Begin(begin + options_.troubled);
      }
    }
    const auto failed = [this] { return !cloud_.failure().empty(); };
    world_.Run(Machine::kForever, [&] { return checker->over || failed(); });
    if (!failed() && !checker->over) cloud_.Fail("the run does not end: nothing is left to happen");
    if (!failed()) StopAll();
    RunResult result{.failure = cloud_.failure(),
                     .digest = world_.digest(),
                     .texts = cloud_.recorded(),
                     .instants = cloud_.recorded_instants()};
    result.figures = cloud_.figures();
    result.figures.net = world_.net().figures();
    for (const Cloud::Front& front : cloud_.fronts()) result.figures.AddDisk(front.disk->figures());
    result.figures.turns = world_.turns();
    result.figures.virtual_time = world_.Now() - begin;
    return result;
  }

  void Abandon() { world_.Abandon(); }

 private:
  // The run as its last client sees it.
  void Check(Process&) {
    if (options_.faults) {
      const Nanoseconds end = runtime::MonotonicNow() + options_.troubled;
      while (runtime::MonotonicNow() < end) {
        runtime::SleepFor(kBetweenChecks);
        CheckWhileServing(&cloud_);
      }
      trouble_.Mend();
      for (Process* client : clients_) client->stop = true;
    }
    CheckRecovery(&cloud_);
    runtime::WaitFor([this] { return AllOver(clients_); }, options_.request_bound);
    if (!AllOver(clients_)) cloud_.Fail("a client waits though its requests have a bound");
    CheckNothingHeld(&cloud_);
    if (!options_.faults) return;
    if (options_.frame_fault && options_.frame_fault->alone) trouble_.Await(*options_.frame_fault);
    CheckAlone(&cloud_);
  }

  static bool AllOver(const std::vector<Process*>& processes) {
    for (const Process* process : processes) {
      if (!process->over) return false;
    }
    return true;
  }

  void StopAll() {
    for (Cloud::Front& front : cloud_.fronts()) {
      if (Cloud::Alive(front.process)) cloud_.StopFront(&front);
    }
    const auto fronts_over = [this] {
      for (const Cloud::Front& front : cloud_.fronts()) {
        if (front.process != nullptr && front.process->threads > 0) return false;
      }
      return true;
    };
    bool ended = world_.Run(world_.Now() + kStopBound, fronts_over);
    ended = ended && CloseBooks();
    for (Cloud::Worker& worker : cloud_.workers()) worker.process->stop = true;
    ended =
        world_.Run(world_.Now() + kStopBound, [this] { return world_.threads() == 0; }) && ended;
    if (!ended) cloud_.Fail("a process does not stop");
    if (world_.net().open_connections() > 0) {
      cloud_.Fail("connections are left when all processes are over");
    }
  }

  bool CloseBooks() {
    std::vector<Process*> readers;
    for (Cloud::Front& front : cloud_.fronts()) {
      readers.push_back(world_.StartProcess(front.node, [this, &front](Process& process) {
        if (front.process != nullptr) CheckBooks(&cloud_, &front, &process);
      }));
    }
    return world_.Run(world_.Now() + kStopBound, [&] { return AllOver(readers); });
  }

  const RunOptions options_;
  World world_;
  Cloud cloud_;
  Trouble trouble_;
  std::vector<Process*> clients_;
};

// As a server makes it when it starts for the first time.
store::DiskImage EmptyDatabase() {
  World world(0);
  store::SimulatedDisk disk(&world, {});
  Process* const server = world.StartProcess(world.AddNode("server"), [&](Process& process) {
    WL_CHECK(disk.OpenStore(&process, store::Durability::kPower).ok());
  });
  WL_CHECK(world.Run(Machine::kForever, [&] { return world.threads() == 0 && server->over; }));
  return disk.Image();
}

}  // namespace

std::unique_ptr<Fixtures> MakeFixtures() {
  auto fixtures = std::make_unique<Fixtures>();
  fixtures->database = EmptyDatabase();
  RunResult quiet = RunCloud({.faults = false}, *fixtures);
  if (!quiet.failure.empty()) fprintf(stderr, "without faults: %s\n", quiet.failure.c_str());
  WL_CHECK(quiet.failure.empty());
  fixtures->texts = std::move(quiet.texts);
  fixtures->instants = std::move(quiet.instants);
  return fixtures;
}

RunResult RunCloud(const RunOptions& options, const Fixtures& fixtures) {
  // What a failed run leaves standing on its fibers refers to it.
  auto run = std::make_unique<Run>(options, fixtures);
  RunResult result = run->All();
  if (!result.failure.empty()) run.release()->Abandon();
  return result;
}

RunResult RunTwice(const RunOptions& options, const Fixtures& fixtures) {
  RunResult first = RunCloud(options, fixtures);
  if (!first.failure.empty()) return first;
  const RunResult second = RunCloud(options, fixtures);
  if (first.digest != second.digest) {
    first.failure = "law 6: the same seed gave another run the second time";
  }
  return first;
}

}  // namespace waferline::simulated
