// The prefill worker as a process: one connection, and whether it is connected to the shards that
// are up now. What it sends is checked (worker_checks.h): what does not fit loses it like a broken
// connection.
//
// Owner: RemoteBackend; thread: its reactor's.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "wafer_backend/compute/link/reactor.h"
#include "wafer_backend/compute/link/typed_link.h"
#include "wafer_backend/compute/plane/backend.h"
#include "wafer_backend/compute/plane/remote_shards.h"

namespace waferline::plane {

class RemotePrefill {
 public:
  enum class State : uint8_t { kDown, kConnecting, kUp };

  struct Options {
    std::string endpoint;      // host:port
    uint64_t fingerprint = 0;  // of the model that it must have
    Nanoseconds patience;      // twice that for reaching the shards
  };
  RemotePrefill(link::Reactor* reactor, Options options);

  // If it is down, in the name of this driver.
  void Connect(const membership::Credentials& driver);
  State state() const { return state_; }
  // For how long nothing came from it; 0: it is not connected.
  Nanoseconds silence() const {
    return connection_ == nullptr ? Nanoseconds() : connection_->silence();
  }
  RemoteShards::Loss TakeLoss() { return std::exchange(loss_, {}); }
  // It lost a shard that the driver still has: the chain must be rebuilt. Reported once.
  absl::Status TakeShardLoss() { return std::exchange(shard_loss_, absl::OkStatus()); }
  void Fail(const absl::Status& why);
  // A worker that does not greet in time is lost; one that does not reach the shards within twice
  // the patience has lost them. To be called periodically.
  void Watch();

  // While up: sends pages to these shards from now on; shards_connected() once it has reached all.
  void SetShards(const link::ShardsFrame& shards);
  void ForgetShards() { connected_ = requested_ = false; }
  bool shards_requested() const { return requested_; }
  bool shards_connected() const { return connected_; }

  void Submit(prefill::PrefillJob job);
  void HandOff(uint64_t job, uint32_t slot);
  void Cancel(uint64_t job);

  // Appends results and ended hand-offs.
  bool TakeResults(BackendEvents* events);
  uint32_t page_tokens() const { return page_tokens_; }

 private:
  absl::Status OnHello(const link::HelloFrame& hello);
  absl::Status On(const link::AnswerFrame& answer);
  absl::Status On(const link::PromptLogprobsFrame& frame);
  absl::Status On(link::PrefilledFrame& frame);
  absl::Status On(const link::HandedOffFrame& frame);
  template <typename Frame>
  void Send(const Frame& frame);

  link::Reactor* const reactor_;
  const Options options_;
  Nanoseconds greet_by_;    // heartbeats alone are not an answer
  Nanoseconds connect_by_;  // to the shards, once requested
  State state_ = State::kDown;
  RemoteShards::Loss loss_;
  absl::Status shard_loss_;
  bool requested_ = false;
  uint64_t generation_ = 0;  // of the shards requested
  bool connected_ = false;
  uint32_t page_tokens_ = 0;
  uint32_t vocabulary_ = 0;
  uint32_t width_ = 0;
  std::unique_ptr<link::ConnectAttempt> attempt_;
  std::unique_ptr<link::Connection> connection_;
  std::unique_ptr<link::DriverToPrefill> outlet_;
  link::GreetingInlet greeting_;
  link::DriverFromPrefill inlet_;
  struct Logprobs {
    size_t wanted = 0;
    std::vector<TokenValue> values;
    bool vector = false;  // of the prompt
  };
  std::unordered_map<uint64_t, Logprobs> logprobs_;  // of jobs under way
  BackendEvents results_;
};

}  // namespace waferline::plane
