// The faults of a simulated cloud: one after the other, several at a time, each drawn from the
// seed; then all are undone. Faults change how the network treats packets, pause and kill
// processes, and start others in their place.
//
// Owner: RunCloud. Thread: the world's, between two turns.
#pragma once

#include "server/simulated/cloud.h"

namespace waferline::simulated {

class Trouble {
 public:
  explicit Trouble(Cloud* cloud) : cloud_(cloud) {}

  // Injects from now on, until `end`.
  void Begin(Nanoseconds end);
  // Injects this one, once, when its frame is sent.
  void Await(const FrameFault& frame_fault);
  // The network is fair, nothing is paused, what is dead is started, one front end serves.
  void Mend();

 private:
  void Next(Nanoseconds end);
  void InjectAtFrame(FrameFault::How how, Node from, Node to);
  Process* ProcessOn(Node node);
  void Inject(FaultKind kind);
  void ChangeConditions(FaultKind kind);
  void Cut(Node from, Node to, Nanoseconds until);
  void CrashWorker(bool silent);
  void CrashFront();
  void TakeOver();
  void SpoilDisk(FaultKind kind);
  void LosePower();
  Node AnyNode();
  Nanoseconds Lasting() { return world().DrawTime(Milliseconds(20), Milliseconds(1500)); }
  World& world() { return cloud_->world(); }

  Cloud* const cloud_;
  bool mended_ = false;
  bool injected_ = false;
};

}  // namespace waferline::simulated
