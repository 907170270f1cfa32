// The compute plane behind api/values.h: what each token is, computed by real shards.
//
// Owner: server/app. Thread: the engine's, as ValueSource says; computing happens on a driver
// thread of this object's (and a prefill thread, if configured). counters() is for any thread.
//
// Speculation, if configured, changes how many steps a stream takes and not one bit of it.
//
// Values: nothing is computed beyond what Want asked for, beyond max_tokens, or after an end id.
// A lost worker costs host time only: what a sequence had there is computed again from its prompt
// and tokens, and its next values are pending meanwhile (driver.h).
// Failures: Unavailable with a retry hint when workers stay away for too long or are lost too
// often, InvalidArgument or ResourceExhausted when the sequence itself cannot be computed here.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "absl/status/statusor.h"
#include "wafer_backend/api/values.h"
#include "wafer_backend/base/thread.h"
#include "wafer_backend/compute/plane/backend.h"
#include "wafer_backend/compute/plane/compute_sequence.h"
#include "wafer_backend/compute/plane/computed_source.h"
#include "wafer_backend/compute/plane/driver.h"
#include "wafer_backend/compute/plane/local_backend.h"
#include "wafer_backend/compute/plane/remote_backend.h"

namespace waferline::plane {

struct PlaneOptions {
  std::string model;       // its name, for errors
  LocalOptions local;      // used unless `remote` names shards
  RemoteOptions remote;    // shards and prefill worker as processes of their own
  int threads = 0;         // of the driver's pool, its own included; 0: one a core
  int64_t max_batch = 64;  // sequences in one decode step
  SpeculationOptions speculation;
};

class ComputePlane : public ComputedSource {
 public:
  // Loads and lays out the model, reading the file once, or connects to remote workers. `waker`
  // must outlive the plane. InvalidArgument, Unimplemented (dtype, architecture), ResourceExhausted
  // (SRAM, with the arithmetic); Unavailable or FailedPrecondition for workers that cannot be
  // reached or do not fit together.
  static absl::StatusOr<std::unique_ptr<ComputePlane>> Create(const PlaneOptions& options,
                                                              Waker* waker);
  ~ComputePlane() override;

  void Prefill(SequenceId id, SequenceSpec spec) override;
  void Activate(SequenceId id) override;
  void Want(SequenceId id, uint32_t count) override;
  State Look(SequenceId id, uint32_t index, const TokenValue** value) override;
  absl::Status Failure(SequenceId id) override;
  const std::vector<TokenValue>* PromptLogprobs(SequenceId id) override;
  const std::vector<float>* PromptVectorOf(SequenceId id) override;
  void End(SequenceId id) override;
  std::vector<ShardMemory> memory() const override { return backend_->facts().memory; }

  PlaneCounters counters() const override;
  // Workers are gone without which sequences cannot be computed. Any thread.
  bool out() const;
  // The sequence waits for such workers: what it had is lost, or has not begun. The engine's
  // thread.
  bool Stranded(SequenceId id) const;

 private:
  ComputePlane() = default;
  // Lists the sequence for the driver.
  void MarkChanged(const std::shared_ptr<ComputeSequence>& sequence)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(shared_.mutex);

  std::unique_ptr<kernels::ThreadPool> pool_;
  std::unique_ptr<Backend> backend_;     // the driver's, but for Wake
  std::shared_ptr<ChainVitals> vitals_;  // of remote shards; else null
  mutable SharedState shared_;
  std::unique_ptr<Speculator> speculator_;
  std::unique_ptr<Driver> driver_;
  Thread thread_;
  std::unordered_map<SequenceId, std::shared_ptr<ComputeSequence>> sequences_;
};

}  // namespace waferline::plane
