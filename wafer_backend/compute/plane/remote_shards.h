// The decode shards as processes: one connection to each, up together or not at all, since a
// sequence has KV on every one of them. When one is lost all connections are dropped (each shard
// then frees its slots) and the chain is rebuilt. A shard that cannot be reached for the patience,
// or twice in a row not by the one before it,
// loses its place to a standby, if one is offered that takes its layers or has them, and may be a
// standby from then on.
//
// Building: connect to all and exchange hellos; assign layers to shards that take any, the ones of
// their place or, in the first chain, an even part; check that they join; send each the address
// of the next one; ask for the state of their SRAM. What a shard sends is checked
// (worker_checks.h): what does not fit loses the chain like a broken connection.
//
// Owner: RemoteBackend; thread: its reactor's.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "wafer_backend/compute/link/reactor.h"
#include "wafer_backend/compute/link/typed_link.h"
#include "wafer_backend/compute/plane/chain_vitals.h"
#include "wafer_backend/compute/plane/shard_counts.h"
#include "wafer_backend/compute/shard/packed_model.h"
#include "wafer_backend/membership/credentials.h"
#include "wafer_backend/membership/standby_pool.h"

namespace waferline::plane {

// For a connection to any worker to be made.
inline constexpr Nanoseconds kConnectPatience = Seconds(5);

class RemoteShards {
 public:
  using State = ChainState;

  struct Options {
    std::vector<std::string> endpoints;    // host:port of each, in the order of their layers
    link::Role role = link::Role::kShard;  // or kAttention, of all of them
    // That may take the place of one that stays lost; null: none.
    std::shared_ptr<membership::StandbyPool> standbys;
    size_t chain = 0;                                    // its number there
    uint64_t fingerprint = 0;                            // of the model that they must have
    Nanoseconds patience;                                // twice that for the chain to be built
    Nanoseconds step_patience;                           // for the answer to a step
    membership::Credentials credentials;                 // the driver's; its generation is not used
    std::shared_ptr<std::atomic<uint64_t>> generations;  // each Build is the next
    std::shared_ptr<ChainVitals> vitals;                 // says there how it is
  };
  RemoteShards(link::Reactor* reactor, Options options);

  // Starts building if it is down.
  void Build();
  State state() const { return state_; }
  struct Loss {
    absl::Status why;     // OK: nothing was lost
    bool was_up = false;  // else an attempt to build it failed
  };
  // Reported once.
  Loss TakeLoss() { return std::exchange(loss_, {}); }
  // A shard reported its memory since the last call.
  bool TakeMemoryChanged() { return std::exchange(memory_changed_, false); }
  // Drops everything.
  void Fail(const absl::Status& why);
  // A chain that is not up within twice the patience, or has no answer to a step within its own,
  // loses all. To be called periodically.
  void Watch();
  // For how long nothing came from the shard that has been silent for longest; 0: none is
  // connected.
  Nanoseconds silence() const;

  // While up. Open ends as an entry of TakeOpened, unless the slot is closed before.
  void Open(uint32_t slot, uint32_t positions, uint64_t job);
  void Close(uint32_t slot, uint64_t job);
  struct Opened {
    uint64_t job = 0;
    absl::Status status;  // of the first shard that refused
  };
  std::vector<Opened> TakeOpened() { return std::exchange(opened_, {}); }

  // Sends the tokens; `logits` is filled when StepDone.
  void StartStep(const link::TokenFrame& tokens, link::LogitsFrame* logits);
  bool StepDone() const { return logits_ == nullptr; }
  absl::Status step_status() const { return step_status_; }

  void AskMemory();
  uint32_t reports_pending() const { return reports_pending_; }
  // The last reports of the shards; one entry each once up. Counts are sums over all processes.
  const std::vector<link::HelloFrame>& hellos() const { return hellos_; }
  const std::vector<link::MemoryFrame>& memory() const { return memory_; }
  link::ShardsFrame addresses() const;
  // Of the chain as it is, or is being built.
  const std::vector<std::string>& endpoints() const { return endpoints_; }
  const membership::Credentials& credentials() const { return credentials_; }

 private:
  struct Shard {
    std::unique_ptr<link::ConnectAttempt> attempt;
    std::unique_ptr<link::Connection> connection;
    std::unique_ptr<link::DriverToShard> outlet;
    link::GreetingInlet greeting;
    link::DriverFromShard inlet;
    bool greeted = false;
    bool ready = false;  // it has its layers
    bool joined = false;
    bool memory_reported = false;
    bool loading = false;   // layers that it was assigned
    bool reported = false;  // that something else failed
  };
  void Fail(size_t index, const absl::Status& why);  // because of that shard
  void Greet(size_t index, std::unique_ptr<link::Connection> connection);
  absl::Status CheckFits(size_t index, const link::HelloFrame& hello) const;
  absl::Status OnHello(size_t index, const link::HelloFrame& hello);
  absl::Status CheckChain() const;
  void TakeStandbys();
  void OnUnjoined(size_t index);
  absl::Status OnMisfit(size_t index, const absl::Status& why);
  // The layers of a place, for a shard that takes any.
  shard::LayerRange LayersOf(size_t index) const;
  absl::Status OnLayers(size_t index);
  absl::Status On(size_t index, const link::AnswerFrame& answer);
  absl::Status On(size_t index, const link::MemoryFrame& memory);
  absl::Status On(size_t index, link::LogitsFrame& logits);
  template <typename Frame>
  void ToAll(const Frame& frame);
  bool All(bool Shard::*flag) const;

  link::Reactor* const reactor_;
  const Options options_;
  std::vector<std::string> endpoints_ = options_.endpoints;
  // Of each place, how often in a row the one before could not join it though it had greeted.
  std::vector<int> unjoined_ = std::vector<int>(endpoints_.size());
  // Of each place, since when its shard has not greeted; 0: it has.
  std::vector<Nanoseconds> missing_ = std::vector<Nanoseconds>(endpoints_.size());
  membership::Credentials credentials_ = options_.credentials;
  State state_ = State::kDown;
  Nanoseconds built_by_;
  Nanoseconds load_by_;
  Nanoseconds step_by_;
  Loss loss_;
  bool memory_changed_ = false;
  uint32_t reports_pending_ = 0;
  std::vector<std::unique_ptr<Shard>> shards_;
  std::vector<std::unique_ptr<Shard>> dropped_;  // kept until no handler of theirs runs
  std::vector<link::HelloFrame> hellos_;
  std::vector<link::HelloFrame> first_hellos_;  // of the first chain that was up
  std::vector<link::MemoryFrame> memory_;
  std::vector<ShardCounts> counts_ = std::vector<ShardCounts>(endpoints_.size());
  struct Opening {
    std::vector<bool> answered;  // by shard
    absl::Status status;
  };
  std::unordered_map<uint64_t, Opening> opening_;  // by job
  std::vector<Opened> opened_;
  uint64_t step_ = 0;
  uint64_t step_rows_ = 0;
  link::LogitsFrame* logits_ = nullptr;
  absl::Status step_status_;
};

}  // namespace waferline::plane
