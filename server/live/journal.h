// What the page shows of requests: those in flight, those that ended last, and how fast the tokens
// since the last look came. An engine's observer.
//
// Owner: server/app; outlives the engine. Thread: the engine's. Bounds: a record for each request
// in flight, kMaxEnded ended ones; of each model kMaxTenants tenants, and kMaxSamples of each
// latency of it and of them. Cost: a token adds to a few numbers and three rings.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "scheduler/engine/observer.h"
#include "server/runtime/lateness_meter.h"
#include "wafer_backend/base/units.h"

namespace waferline::live {

inline constexpr size_t kMaxEnded = 64;
inline constexpr size_t kMaxSamples = 256;
inline constexpr size_t kMaxTenants = 32;  // of one model; later ones are kOtherTenants
inline constexpr Nanoseconds kLate = Milliseconds(1);
inline constexpr char kOtherTenants[] = "other";
inline constexpr size_t kMaxListed = 64;  // in flight, of one engine: the latest

struct RequestRecord {
  std::string id;
  std::optional<uint32_t> choice;  // which, of a request that asks for several answers
  std::string tenant;
  engine::LaneIndex lane;
  uint64_t ordinal = 0;  // 0: refused
  uint32_t prompt_tokens = 0;
  uint32_t max_tokens = 0;
  uint32_t tokens = 0;  // generated
  uint32_t restarts = 0;
  uint32_t late_tokens = 0;  // that left more than kLate after their instant, on the wall
  Nanoseconds max_lateness;
  Nanoseconds arrival;
  Nanoseconds first_token;  // an instant; 0: none yet
  Nanoseconds ended;        // an instant; 0: in flight
  // Spent in each phase that is over; the one it is in began at `since`.
  std::array<Nanoseconds, engine::kPhases> lasted{};
  engine::Phase phase = engine::Phase::kQueue;
  Nanoseconds since;
  std::string end;  // "length", "refused"; "" while in flight
  std::string why;  // it was refused or failed
};

// Of the samples of one latency since the last look, the last kMaxSamples at most.
struct Quantiles {
  uint64_t count = 0;  // of all
  Nanoseconds p50, p99;
};

struct TenantActivity {
  std::string tenant;
  uint64_t tokens = 0;  // since the start, like the next two
  uint64_t finished = 0;
  uint64_t refused = 0;
  uint32_t waiting = 0;        // now, before prefill
  uint32_t running = 0;        // now, in prefill, hand-off or decode
  Quantiles first_token, gap;  // emulated
};

struct LaneActivity {
  uint64_t tokens = 0;  // since the start, like the next two
  uint64_t finished = 0;
  uint64_t refused = 0;
  Quantiles first_token, gap;  // emulated
  Quantiles lateness;          // of the wall clock; none of a clock without relation to it
  std::vector<TenantActivity> tenants;
};

struct Activity {
  std::vector<LaneActivity> lanes;
  std::vector<RequestRecord> requests;  // in flight, latest first, then ended ones, latest first
};

class Journal : public engine::EngineObserver, public runtime::LatenessObserver {
 public:
  explicit Journal(size_t lanes) : lanes_(lanes) {}

  // And begins new samples.
  Activity Look();

  void OnRefused(const engine::SequenceInfo& sequence, policy::RefusalCause cause,
                 Nanoseconds retry_after) override;
  void OnAdmitted(const engine::SequenceInfo& sequence) override;
  void OnPhase(const engine::SequenceInfo& sequence, engine::Phase from, Nanoseconds lasted,
               engine::Phase phase) override;
  void OnToken(const engine::TokenInfo& token) override;
  void OnOutcome(const engine::OutcomeInfo& info) override;
  void OnRestart(const engine::SequenceInfo& sequence, engine::RestartCause cause) override;
  void OnTokenLateness(const engine::TokenInfo& token, Nanoseconds wall) override;

 private:
  class Samples {
   public:
    void Add(Nanoseconds value);
    Quantiles Take();

   private:
    std::vector<double> ring_;  // nanoseconds
    uint64_t count_ = 0;
  };
  struct Tenant {
    TenantActivity activity;
    Samples first_token, gap;
  };
  struct Lane {
    LaneActivity activity;
    Samples first_token, gap, lateness;
    std::map<std::string, Tenant> tenants;
  };
  struct Slot {
    RequestRecord* record = nullptr;
    Tenant* tenant = nullptr;
  };
  // Null: no request in flight has the slot.
  Slot* Find(engine::SlotIndex slot);
  Tenant& TenantOf(Lane& lane, const std::string& name);
  void KeepEnded(RequestRecord record);

  std::vector<Lane> lanes_;
  std::map<uint64_t, RequestRecord> live_;  // by ordinal
  std::vector<Slot> by_slot_;
  std::deque<RequestRecord> ended_;  // latest first
};

}  // namespace waferline::live
