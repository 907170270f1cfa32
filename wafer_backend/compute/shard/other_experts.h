// The experts of a shard's layers that other workers have: rows go to them and come back as typed
// links carry them (law 3: bytes of load, each way, are rows x hidden x 4; rows are the tokens
// routed to those experts). The shard chooses the experts and adds up what they give, by rising
// index, so a token's sum does not depend on where its experts are (law 4).
//
// Owner: what owns the shard; thread: the shard's.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "wafer_backend/compute/kernels/experts.h"
#include "wafer_backend/compute/link/local_pipe.h"
#include "wafer_backend/compute/link/typed_link.h"
#include "wafer_backend/compute/shard/expert_worker.h"

namespace waferline::shard {

class OtherExperts : public kernels::ExpertsElsewhere {
 public:
  // Bytes to the workers so far; the same come back.
  virtual link::LinkBytes sent() const = 0;
  // Not OK if a worker was lost: what Finish left in the rows since then are not results.
  virtual absl::Status status() const = 0;
};

// The rows that are for the experts of `range`, into `frame`; false if there are none. `rows` and
// `begin` as in ExpertsElsewhere::Start.
bool FillRows(ExpertRange range, std::span<const int64_t> begin, const float* rows,
              link::ExpertRowsFrame* frame);
// Back from an answer. InvalidArgument if it is not the answer to `asked`.
absl::Status TakeRows(const link::ExpertRowsFrame& asked, const link::ExpertRowsFrame& answer,
                      float* rows);

// Workers in this process, which compute when their answers are needed.
class LocalExperts : public OtherExperts {
 public:
  explicit LocalExperts(std::vector<std::unique_ptr<ExpertWorker>> workers);

  void Start(int64_t layer, std::span<const int64_t> begin, const float* rows) override;
  void Finish(float* rows) override;
  link::LinkBytes sent() const override;
  absl::Status status() const override { return absl::OkStatus(); }

 private:
  struct Link {
    link::LocalPipe pipe{1};
    link::ExpertOutlet outlet{&pipe};
    link::ExpertInlet inlet;
    std::vector<uint8_t> bytes;
  };
  struct Peer {
    std::unique_ptr<ExpertWorker> worker;
    Link there, back;
    link::ExpertRowsFrame asked;
    bool pending = false;
  };
  std::vector<std::unique_ptr<Peer>> peers_;
  std::span<const int64_t> begin_;  // from Start to Finish
};

}  // namespace waferline::shard
