// A KV link that its transfers share fairly: of n transfers under way each has bandwidth / n
// (processor sharing, what TCP or a fair switch gives in the mean), then a fixed latency passes.
//
// Exact fluid model in virtual time: the link's virtual time grows by speed / n per second, a
// transfer of b bytes ends b after the virtual time at which it began. O(log n) an event, n =
// transfers under way; bound: what the engine has in flight. Thread: the engine's.
#pragma once

#include <cstdint>
#include <queue>
#include <unordered_map>
#include <vector>

#include "wafer_backend/api/devices.h"
#include "wafer_backend/base/timeline.h"

namespace waferline::emulator {

class SharedLink : public KvLink, private EventTarget {
 public:
  // `bytes_per_second` > 0.
  SharedLink(Timeline* timeline, double bytes_per_second, Nanoseconds latency);

  Transfer Start(Bytes bytes, EventTarget* done, uint64_t payload) override;
  void Cancel(Transfer transfer) override;
  Bytes Left(Transfer transfer) const override;
  Bytes backlog() const override;
  Bytes moved() const override { return moved_; }
  Nanoseconds busy() const override;
  Nanoseconds TimeAlone(Bytes bytes) const override;
  void SetSpeed(double speed) override;

 private:
  struct Flow {
    Bytes bytes;
    double end_virtual;
    EventTarget* done;
    uint64_t payload;
  };
  struct End {
    double end_virtual;
    Transfer transfer;
    bool operator>(const End& o) const {
      return end_virtual != o.end_virtual ? end_virtual > o.end_virtual : transfer > o.transfer;
    }
  };
  void OnEvent(uint64_t payload) override;
  double VirtualNow() const;
  void Advance();  // virtual time to now
  void Arm();      // the next end
  void DropCancelled();

  Timeline* timeline_;
  const double bytes_per_ns_;
  const Nanoseconds latency_;
  double speed_ = 1;
  double virtual_bytes_ = 0;
  Nanoseconds advanced_to_;
  Nanoseconds busy_;
  Bytes moved_;
  Transfer last_ = 0;
  uint64_t generation_ = 0;  // of the armed event
  std::unordered_map<Transfer, Flow> flows_;
  std::priority_queue<End, std::vector<End>, std::greater<>> ends_;
};

}  // namespace waferline::emulator
