// Shards and prefill workers as processes of their own, over TCP. The driver's thread runs the
// connections between two steps and while it waits for logits.
//
// A lost shard loses every resident sequence, a lost prefill worker every prompt that it had. What
// is requested while a shard or all prefill workers are down waits until one is back: jobs of
// sequences that have tokens until outage_patience after the loss, new ones until max_outage; then
// they, and all that follow until the workers are back, are Unavailable with a retry hint. Attempts
// to reach them go on. A worker that is silent (link/liveness.h) is lost too.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "absl/status/statusor.h"
#include "wafer_backend/compute/plane/backend.h"
#include "wafer_backend/compute/plane/prefill_pool.h"
#include "wafer_backend/compute/plane/remote_shards.h"

namespace waferline::plane {

struct RemoteOptions {
  std::vector<std::string> shards;   // host:port of each, in the order of their layers
  std::vector<std::string> prefill;  // host:port of each prefill worker
  bool attention = false;            // the shards are attention workers
  // Shards that may take the place of one that stays lost; null: none.
  std::shared_ptr<membership::StandbyPool> standbys;
  size_t chain = 0;          // its number among the chains that share the standbys
  uint64_t fingerprint = 0;  // of the model that they must have
  // That the engine runs at once at most: as many slots are needed, since one without would wait
  // for others that emulated time, which waits for it, keeps from ending. 0: not known.
  uint32_t sequences = 0;
  Nanoseconds between_attempts = Milliseconds(250);  // to reach workers that are down
  Nanoseconds max_outage = Seconds(10);              // then new jobs that wait for them fail
  Nanoseconds outage_patience = Seconds(60);         // then those of begun sequences do
  link::Liveness liveness;                           // a silent worker is lost
  // So are shards that live and do not answer a step; far longer than any model takes.
  Nanoseconds step_patience = Seconds(600);
  // What workers see of this driver; the generation is where it starts from. Two drivers without an
  // election should differ in incarnation and in generation. Chains that share standbys count their
  // generations together in `generations`; null: this chain counts alone.
  membership::Credentials credentials;
  std::shared_ptr<std::atomic<uint64_t>> generations;
  std::shared_ptr<ChainVitals> vitals;    // says there how it is; null: nowhere
  std::shared_ptr<tls::Credentials> tls;  // of the links; null: plain
  // A line for the operator: once when workers are lost, once when they are back. The driver's
  // thread; optional.
  std::function<void(const std::string& remark)> on_remark;
};

class RemoteBackend : public Backend {
 public:
  // Connects to all; Unavailable naming the endpoint if one cannot be reached, FailedPrecondition
  // if they do not fit together.
  static absl::StatusOr<std::unique_ptr<RemoteBackend>> Create(const RemoteOptions& options);

  const BackendFacts& facts() const override { return facts_; }
  void Prefill(prefill::PrefillJob job) override;
  void HandOff(uint64_t job, uint32_t slot, uint32_t positions) override;
  void Forget(uint64_t job) override;
  void Close(uint32_t slot) override;
  absl::Status Step(const link::TokenFrame& tokens, link::LogitsFrame* logits) override;
  bool Turn(bool decoding, BackendEvents* events) override;
  void Wait() override;
  void Wake() override { reactor_.Wake(); }
  void Count(PlaneCounters* counters) const override;

 private:
  struct Moving {
    uint32_t slot = 0;
    uint32_t positions = 0;
    bool sent = false;  // to the shards
  };

  explicit RemoteBackend(const RemoteOptions& options);
  absl::Status ConnectFirst();
  bool Ready() const;  // shards up, prefill up and connected to the shards
  void KeepUp();       // connects to what is down, when an attempt is due
  void OnOutage(const char* what, const absl::Status& why);
  void OnRecovery();
  void Remark(const std::string& text) const;
  void GiveUp();
  void TakeLosses();
  void ReportVitals() const;
  void LoseShards();
  void LosePrefill(const std::vector<uint64_t>& jobs);
  void StartMoves();
  void TakeOpened();
  void ReadFacts();

  const RemoteOptions options_;
  link::Reactor reactor_;
  RemoteShards shards_;
  PrefillPool prefill_;
  BackendFacts facts_;
  std::string outage_;  // what is gone, and how the last attempt to reach it failed; "": all is up
  bool outage_changed_ = false;
  bool hopeless_ = false;  // waiting alone does not end this outage
  Nanoseconds outage_since_;
  Nanoseconds next_build_;                       // no attempt before
  std::deque<prefill::PrefillJob> held_;         // wait for a prefill worker
  std::unordered_map<uint64_t, Moving> moving_;  // hand-offs that are not complete
  std::unordered_map<uint32_t, uint64_t> job_of_slot_;
  BackendEvents pending_;
  uint64_t prefill_tokens_ = 0;
  std::unordered_map<uint64_t, int64_t> prefill_pages_;  // that the worker should hold, by job
};

}  // namespace waferline::plane
