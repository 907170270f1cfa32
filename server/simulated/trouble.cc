#include "server/simulated/trouble.h"

#include <algorithm>
#include <utility>

namespace waferline::simulated {
namespace {

constexpr Nanoseconds kMinBetween = Milliseconds(20);
constexpr Nanoseconds kMaxBetween = Milliseconds(250);

}  // namespace

void Trouble::Begin(Nanoseconds end) { Next(end); }

void Trouble::Next(Nanoseconds end) {
  const Nanoseconds next = world().Now() + world().DrawTime(kMinBetween, kMaxBetween);
  if (next >= end) return;
  world().At(next, [this, end] {
    if (mended_) return;
    Inject(static_cast<FaultKind>(world().Draw(kFaultNames.size())));
    Next(end);
  });
}

void Trouble::Await(const FrameFault& frame_fault) {
  // A request that is alone is asked twice, and the second one counts.
  const bool once = frame_fault.frame == link::FrameKind::kAssign;  // by each shard
  uint64_t before = world().Draw(frame_fault.alone ? 60 : once ? 1 : 3);
  const bool again = frame_fault.how == FrameFault::How::kClientsLeave;
  world().net().OnFrame(
      [this, frame_fault, again, before](Node from, Node to, uint8_t kind) mutable {
        const bool now = !injected_ && mended_ == frame_fault.alone &&
                         kind == static_cast<uint8_t>(frame_fault.frame);
        if (!now || before-- > 0) return;
        injected_ = !again;
        before = world().Draw(10);
        ++cloud_->figures().frame_faults;
        InjectAtFrame(frame_fault.how, from, to);
      });
}

// Long enough for silence to be noticed.
void Trouble::InjectAtFrame(FrameFault::How how, Node from, Node to) {
  const Nanoseconds lasting = cloud_->options().liveness.patience * 5 / 2;
  switch (how) {
    case FrameFault::How::kPauseReceiver:
    case FrameFault::How::kPauseSender: {
      const Node node = how == FrameFault::How::kPauseSender ? from : to;
      // Not in the middle of its turn.
      world().After(Nanoseconds(0), [this, node, lasting] {
        if (Process* const process = ProcessOn(node)) world().Pause(process, lasting);
      });
      return;
    }
    case FrameFault::How::kLostThere:
      return Cut(from, to, world().Now() + lasting);
    case FrameFault::How::kLostBack:
      return Cut(to, from, world().Now() + lasting);
    case FrameFault::How::kClientsLeave:
      world().After(Nanoseconds(0), [this] { cloud_->SendClientsAway(); });
      return;
    case FrameFault::How::kTrickle:
      break;
  }
  for (const auto& [a, b] : {std::pair(from, to), std::pair(to, from)}) {
    world().net().conditions(a, b).trickle = lasting / 4;
  }
  world().After(lasting, [this, from, to] {
    for (const auto& [a, b] : {std::pair(from, to), std::pair(to, from)}) {
      world().net().conditions(a, b).trickle = Nanoseconds(0);
    }
  });
}

Process* Trouble::ProcessOn(Node node) {
  for (const Cloud::Worker& worker : cloud_->workers()) {
    if (worker.node == node) return worker.process;
  }
  for (const Cloud::Front& front : cloud_->fronts()) {
    if (front.node == node) return front.process;
  }
  return nullptr;
}

Node Trouble::AnyNode() {
  const uint64_t workers = cloud_->workers().size(), fronts = cloud_->fronts().size();
  const uint64_t drawn = world().Draw(workers + fronts);
  return drawn < workers ? cloud_->workers()[drawn].node : cloud_->fronts()[drawn - workers].node;
}

void Trouble::Inject(FaultKind kind) {
  auto& workers = cloud_->workers();
  switch (kind) {
    case FaultKind::kReset:
      world().net().ResetOne(AnyNode(), AnyNode());
      break;
    case FaultKind::kPause: {
      Process* const process = workers[world().Draw(workers.size())].process;
      world().Pause(process, Lasting());
      break;
    }
    case FaultKind::kPauseFront:
      if (cloud_->leader() == nullptr) return;
      world().Pause(cloud_->leader()->process, Lasting());
      break;
    case FaultKind::kCrash:
    case FaultKind::kHostLoss:
      CrashWorker(kind == FaultKind::kHostLoss);
      break;
    case FaultKind::kCrashFront:
      if (cloud_->leader() == nullptr || !world().OneIn(2)) return;
      CrashFront();
      break;
    case FaultKind::kPowerLoss:
      if (cloud_->leader() == nullptr || !world().OneIn(2)) return;
      LosePower();
      break;
    case FaultKind::kSlowDisk:
    case FaultKind::kDiskFails:
      SpoilDisk(kind);
      break;
    case FaultKind::kTakeOver:
      if (cloud_->Follower() == nullptr || !world().OneIn(2)) return;
      TakeOver();
      break;
    default:
      ChangeConditions(kind);
  }
  ++cloud_->figures().faults[static_cast<size_t>(kind)];
}

void Trouble::Cut(Node from, Node to, Nanoseconds until) {
  Nanoseconds& cut = world().net().conditions(from, to).cut_until;
  cut = std::max(cut, until);
}

void Trouble::ChangeConditions(FaultKind kind) {
  const Node from = AnyNode(), to = AnyNode();
  const Nanoseconds end = world().Now() + Lasting();
  Conditions& conditions = world().net().conditions(from, to);
  switch (kind) {
    case FaultKind::kDelay:
      conditions.max_delay = world().DrawTime(Milliseconds(1), Milliseconds(100));
      break;
    case FaultKind::kLoss:
      conditions.lost_one_in = 2 + world().Draw(20);
      break;
    case FaultKind::kPieces:
      conditions.cut_one_in = 1 + world().Draw(3);
      break;
    case FaultKind::kCutBothWays:
      Cut(to, from, end);
      [[fallthrough]];
    default:
      Cut(from, to, end);
      return;
  }
  world().At(end, [this, from, to] {
    Conditions& now = world().net().conditions(from, to);
    now = Conditions{.cut_until = now.cut_until};
  });
}

void Trouble::CrashWorker(bool silent) {
  auto& workers = cloud_->workers();
  const size_t which = world().Draw(workers.size());
  Cloud::Worker* const worker = &workers[which];
  if (!Cloud::Alive(worker->process)) return;
  world().net().SetSilentDeath(worker->node, silent);
  world().Kill(worker->process);
  world().After(Lasting(), [this, worker, dead = worker->process] {
    if (!mended_ && worker->process == dead) cloud_->StartWorker(worker);
  });
}

void Trouble::CrashFront() {
  Cloud::Front* const front = cloud_->leader();
  world().Kill(front->process);
  if (Cloud::Front* const follower = cloud_->Follower()) cloud_->StartFront(follower);
}

void Trouble::SpoilDisk(FaultKind kind) {
  auto& fronts = cloud_->fronts();
  store::SimulatedDisk::Trouble& trouble = fronts[world().Draw(fronts.size())].disk->trouble();
  const Nanoseconds end = world().Now() + Lasting();
  if (kind == FaultKind::kSlowDisk) {
    trouble.slow_until = end;
  } else if (world().OneIn(3)) {
    trouble.full_until = end;
  } else {
    trouble.fails_until = end;
    trouble.error_one_in = 1 + world().Draw(40);
  }
}

// The node is gone without a word. What its disk did not promise to keep may be lost too, so a
// database that keeps commits only through the death of a process is not put through this.
void Trouble::LosePower() {
  Cloud::Front* const front = cloud_->leader();
  if (front->durability != store::Durability::kPower) return;
  world().net().SetSilentDeath(front->node, true);
  CrashFront();
  front->disk->LosePower();
}

// The first one is stopped when it learns that its lease has ended, which may take a while.
void Trouble::TakeOver() {
  Cloud::Front* const old = cloud_->leader();
  cloud_->StartFront(cloud_->Follower());
  if (old == nullptr) return;
  world().After(Lasting(), [this, old, process = old->process] {
    if (old->process == process && Cloud::Alive(process)) cloud_->StopFront(old);
  });
}

void Trouble::Mend() {
  mended_ = true;
  Net& net = world().net();
  for (Cloud::Worker& worker : cloud_->workers()) {
    worker.process->paused_until = Nanoseconds(0);
    if (!Cloud::Alive(worker.process)) cloud_->StartWorker(&worker);
  }
  for (Cloud::Front& front : cloud_->fronts()) {
    front.disk->trouble() = {};
    if (front.process == nullptr) continue;
    front.process->paused_until = Nanoseconds(0);
    if (&front != cloud_->leader() && Cloud::Alive(front.process)) cloud_->StopFront(&front);
  }
  if (cloud_->leader() == nullptr) {
    // The one that crashed last may still be going; the other one is free or will be.
    if (Cloud::Front* const follower = cloud_->Follower()) cloud_->StartFront(follower);
  }
  for (Node from = 0; from < net.nodes(); ++from) {
    for (Node to = 0; to < net.nodes(); ++to) net.conditions(from, to) = Conditions{};
  }
}

}  // namespace waferline::simulated
