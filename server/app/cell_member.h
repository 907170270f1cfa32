// A front end's part in its cell: stands by until it is elected and its workers are claimed, and
// knows whether it still leads.
//
// Owner: Serve. Thread: the main one; outranked() and Figures() on any.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/app/serve.h"
#include "server/app/standby_door.h"
#include "server/cell/leadership.h"
#include "server/metrics/exposition.h"
#include "server/registry/open_registry.h"
#include "wafer_backend/base/mutex.h"
#include "wafer_backend/membership/chain_choice.h"
#include "wafer_backend/membership/registry.h"

namespace waferline::app {

// Where the cell's members are listed.
registry::RegistryAddress RegistryOf(const config::CellConfig& cell);

class CellMember {
 public:
  // Opens the standby's door, which chooses the port of HTTP if that is open, and stands for the
  // leadership. Errors: the registry's address, the port.
  static absl::StatusOr<std::unique_ptr<CellMember>> Join(ServeOptions* options);

  // Answers as a standby until this front end leads and the workers of its models are claimed;
  // their addresses are then in the configuration. False: a signal came.
  absl::StatusOr<bool> StandBy(ServeOptions* options);
  // To be called periodically while this front end leads: claims its workers again when the
  // registry had lost the claims, keeps standbys for its chains, and claims a chain for which
  // there were no workers before, which `join` takes in. May wait for the registry, about a second
  // for each worker.
  using JoinChain =
      std::function<absl::Status(const std::string& model, const config::WorkerChain&)>;
  void KeepClaims(const JoinChain& join);
  // Whether a model is without workers for good: `outage_of` it is not empty, and workers of its
  // chains have served another cell with a larger epoch than the one it is served with, which they
  // refuse. Standing by again, with a larger epoch, is the remedy.
  bool LostWorkers(const std::function<std::string(const std::string& model)>& outage_of) const;
  // Ends the standby's answers, for the cloud's own to begin at the same port.
  void CloseDoor() { door_.reset(); }
  // After workers refused this leadership: whether it is because they have seen a larger epoch.
  // Waits some seconds for them to list it.
  bool EpochIsOver() const;
  // What was served has ended, perhaps with an error.
  void EndLeading(const absl::Status& why);

  bool outranked() const { return leadership_->outranked(); }
  metrics::CellFigures Figures() const;

 private:
  CellMember() = default;
  absl::Status OpenDoor(const ServeOptions& options);
  absl::Status ClaimWorkers(ServeOptions* options);
  // Unavailable if these workers have seen an epoch that outranks this leadership's: the registry
  // was restored; a larger one will be used.
  absl::Status RequireLargerEpoch(const std::vector<membership::Chain>& chains);
  void KeepStandbys();
  void LookForChains(const JoinChain& join);
  std::string Why() const;

  config::ServerConfig configured_;  // without the workers that were chosen
  std::unique_ptr<membership::Registry> registry_;
  std::unique_ptr<cell::Leadership> leadership_;
  std::atomic<const cell::Leadership*> shown_{nullptr};  // it, once the door's thread may ask
  std::unique_ptr<StandbyDoor> door_;
  // A model's workers.
  struct Fleet {
    std::string model;
    membership::ChainWish wish;
    std::vector<membership::Chain> chains;  // as they were claimed
    std::shared_ptr<membership::StandbyPool> standbys;
    std::vector<std::string> spares;  // that were offered to the pool; host:port
    Nanoseconds next_chain;           // no attempt to take in one more before
  };
  // host:port of what its chains have now.
  static std::vector<std::string> InChains(const Fleet& fleet);
  std::vector<Fleet> fleets_;
  uint64_t claimed_epoch_ = 0;  // by this leadership
  uint64_t used_epoch_ = 0;     // the last one with which a cloud was built here
  Nanoseconds next_claim_;      // no attempt before
  mutable Mutex mutex_;
  std::string why_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace waferline::app
