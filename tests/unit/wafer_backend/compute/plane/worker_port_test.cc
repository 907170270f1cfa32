// A driver that breaks the prefill worker's protocol.
#include <catch2/catch.hpp>

#include "tests/unit/wafer_backend/compute/plane/remote_workers.h"
#include "wafer_backend/compute/link/reactor.h"
#include "wafer_backend/compute/link/typed_link.h"

namespace waferline::plane {
namespace {

class RawDriver {
 public:
  RawDriver(const std::string& endpoint, uint64_t fingerprint) {
    attempt_ = std::make_unique<link::ConnectAttempt>(&reactor_, endpoint, Seconds(5),
                                                      [this](auto connection) {
                                                        REQUIRE(connection.ok());
                                                        connection_ = *std::move(connection);
                                                      });
    TurnUntil([this] { return connection_ != nullptr; });
    outlet_ = std::make_unique<link::DriverToPrefill>(connection_.get());
    connection_->Start(
        [this](std::span<const uint8_t> bytes) {
          if (!greeted_) {
            return greeting_.Accept(bytes, [this](const link::HelloFrame&) {
              greeted_ = true;
              return absl::OkStatus();
            });
          }
          return inlet_.Accept(bytes, [this](auto& frame) { return On(frame); });
        },
        [this](const absl::Status&) { closed_ = true; });
    link::HelloFrame hello;
    hello.role = link::Role::kDriver;
    hello.model_fingerprint = fingerprint;
    REQUIRE(link::GreetingOutlet(connection_.get()).Send(hello).ok());
    TurnUntil([this] { return greeted_; });
  }
  ~RawDriver() { connection_.reset(); }

  void Submit(uint64_t job) {
    REQUIRE(outlet_->Send(link::PrefillFrame{.job = job, .tokens = {3, 4, 5}, .prompt_tokens = 3})
                .ok());
  }
  void SetShards(const link::ShardsFrame& frame) { REQUIRE(outlet_->Send(frame).ok()); }
  void TurnUntil(const std::function<bool()>& done) {
    const Nanoseconds end = reactor_.Now() + Seconds(10);
    while (!done()) {
      REQUIRE(reactor_.Now() < end);
      reactor_.Turn(Milliseconds(10));
    }
  }
  bool closed() const { return closed_; }
  const std::vector<uint32_t>& codes() const { return codes_; }

 private:
  absl::Status On(const link::PrefilledFrame& frame) {
    codes_.push_back(frame.code);
    return absl::OkStatus();
  }
  template <typename Frame>
  absl::Status On(const Frame&) {
    return absl::OkStatus();
  }

  link::Reactor reactor_;
  std::unique_ptr<link::ConnectAttempt> attempt_;
  std::unique_ptr<link::Connection> connection_;
  std::unique_ptr<link::DriverToPrefill> outlet_;
  link::GreetingInlet greeting_;
  link::DriverFromPrefill inlet_;
  bool greeted_ = false;
  bool closed_ = false;
  std::vector<uint32_t> codes_;
};

TEST_CASE("a job that is sent twice costs the driver its connection, and is released") {
  const ModelOnDisk disk(ModelSpec());
  const auto prefill = StartPrefill(disk.path(), 32);
  const uint64_t fingerprint = shard::FingerprintOf(*disk.file());
  RawDriver first(prefill->endpoint(), fingerprint);
  first.Submit(6);
  first.Submit(6);
  first.TurnUntil([&] { return first.closed(); });
  RawDriver second(prefill->endpoint(), fingerprint);
  second.Submit(6);
  second.TurnUntil([&] { return !second.codes().empty(); });
  REQUIRE(second.codes() == std::vector<uint32_t>{0});
}

TEST_CASE("shards of another epoch than the driver's cost it alone its connection") {
  const ModelOnDisk disk(ModelSpec());
  const auto prefill = StartPrefill(disk.path(), 32);
  const uint64_t fingerprint = shard::FingerprintOf(*disk.file());
  RawDriver first(prefill->endpoint(), fingerprint);
  first.SetShards({.epoch = uint64_t{1} << 60, .generation = 1, .shards = {}});
  first.TurnUntil([&] { return first.closed(); });
  RawDriver second(prefill->endpoint(), fingerprint);
  second.Submit(1);
  second.TurnUntil([&] { return !second.codes().empty(); });
  REQUIRE(second.codes() == std::vector<uint32_t>{0});
}

}  // namespace
}  // namespace waferline::plane
