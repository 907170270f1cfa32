#include "wafer_backend/compute/prefill/prefill_server.h"

#include <algorithm>
#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/compute/link/pending_peers.h"
#include "wafer_backend/compute/link/reactor.h"
#include "wafer_backend/compute/link/sent_status.h"
#include "wafer_backend/compute/link/typed_link.h"
#include "wafer_backend/compute/model/families/families.h"
#include "wafer_backend/compute/prefill/prefill_service.h"
#include "wafer_backend/compute/prefill/shard_links.h"
#include "wafer_backend/compute/shard/peer_model.h"
#include "wafer_backend/membership/owner_gate.h"

namespace waferline::prefill {
namespace {

using link::Connection;

constexpr Nanoseconds kIdle = Milliseconds(100);
// Log-probabilities in one frame: about 40 bytes each without alternatives.
constexpr size_t kLogprobsAFrame = 1024;

class PrefillServer {
 public:
  PrefillServer(const PrefillServerOptions& options, const link::HelloFrame& hello,
                link::Reactor* reactor, std::unique_ptr<PrefillWorker> worker)
      : options_(options),
        hello_(hello),
        reactor_(*reactor),
        service_(std::move(worker)),
        pending_(reactor, {.check = [this](const auto& theirs) { return Check(theirs); },
                           .ours = [this] { return Hello(); },
                           .on_greeted =
                               [this](const auto& theirs, auto connection) {
                                 AssignDriver(theirs.credentials, std::move(connection));
                               },
                           .on_remark = options.on_remark}),
        shards_(reactor, hello,
                {.on_change = [this](const auto& status) { OnShards(status); },
                 .on_received = [this](uint64_t job,
                                       const auto& status) { OnReceived(job, status); }}) {}

  absl::Status Run(const std::atomic<bool>& stop) {
    WL_ASSIGN_OR_RETURN(const auto listener,
                        link::Listener::Open(&reactor_, options_.listen, [this](auto taken) {
                          pending_.Add(std::move(taken));
                        }));
    if (options_.on_ready) options_.on_ready(listener->port());
    bool moved = false;
    while (!stop.load(std::memory_order_relaxed)) {
      reactor_.Turn(moved ? Nanoseconds(0) : kIdle);
      pending_.Watch();
      options_.vitals->owned = gate_.owned();
      moved = service_.Step(options_.prefill.chunk_tokens, &done_);
      for (const PrefillService::Sent& sent : service_.TakeSent()) {
        // Pages that have left are acknowledged by the shards.
        if (!sent.status.ok()) OnReceived(sent.id, sent.status);
      }
      moved |= Report();
    }
    return absl::OkStatus();
  }

 private:
  void Remark(const char* what, const absl::Status& why) {
    if (options_.on_remark) options_.on_remark(absl::StrCat(what, ": ", why.message()));
  }

  absl::Status Check(const link::HelloFrame& theirs) const {
    WL_RETURN_IF_ERROR(shard::SameModel(hello_, theirs));
    if (theirs.role == link::Role::kDriver) return gate_.CheckDriver(theirs.credentials);
    return absl::FailedPreconditionError("only a driver connects to a prefill worker");
  }

  link::HelloFrame Hello() const {
    link::HelloFrame hello = hello_;
    hello.credentials.cell = gate_.last().cell;
    hello.credentials.fence = gate_.last().fence;
    return hello;
  }

  // One driver at a time (membership/owner_gate.h).
  void AssignDriver(const membership::Credentials& theirs, std::unique_ptr<Connection> connection) {
    DropDriver();
    gate_.OnDriver(theirs);
    if (options_.on_driver) options_.on_driver(theirs.fence.epoch);
    driver_ = std::move(connection);
    outlet_ = std::make_unique<link::PrefillToDriver>(driver_.get());
    driver_->Start(
        [this](std::span<const uint8_t> bytes) {
          return inlet_.Accept(bytes, [this](auto& frame) { return HandleControl(frame); });
        },
        [this](const absl::Status& why) {
          Remark("driver disconnected", why);
          DropDriver();
        });
  }

  void DropDriver() {
    gate_.OnDriverGone();
    outlet_.reset();
    driver_.reset();
    shards_.Drop();
    service_.SetTargets({});
    (void)service_.TakeSent();
    for (const uint64_t job : jobs_) service_.Cancel(job);
    jobs_.clear();
    done_.clear();
  }

  absl::Status HandleControl(const link::ShardsFrame& frame) {
    membership::Credentials ours = gate_.last();
    // A later epoch than its greeting's would keep every other driver away for good.
    if (frame.epoch != ours.fence.epoch || frame.generation < ours.fence.generation) {
      return absl::InvalidArgumentError(
          absl::StrCat("shards of epoch ", frame.epoch, ", generation ", frame.generation,
                       ", of a driver of epoch ", ours.fence.epoch, ", generation ",
                       ours.fence.generation, " (or later)"));
    }
    service_.SetTargets({});
    ours.fence = {frame.epoch, frame.generation};
    gate_.OnDriver(ours);
    shards_.Connect(frame, ours);
    return absl::OkStatus();
  }

  absl::Status HandleControl(link::PrefillFrame& frame) {
    if (std::find(jobs_.begin(), jobs_.end(), frame.job) != jobs_.end()) {
      return absl::InvalidArgumentError(absl::StrCat("job ", frame.job, " was sent twice"));
    }
    jobs_.push_back(frame.job);
    service_.Submit({.id = frame.job,
                     .tokens = std::move(frame.tokens),
                     .prompt_tokens = frame.prompt_tokens,
                     .prompt_logprobs = frame.wants_prompt_logprobs,
                     .top_logprobs = frame.top_logprobs,
                     .vector = static_cast<PromptVector>(frame.vector)});
    return absl::OkStatus();
  }

  absl::Status HandleControl(const link::HandOffFrame& frame) {
    shards_.Expect(frame.job);
    service_.HandOff(frame.job, frame.slot);
    return absl::OkStatus();
  }

  absl::Status HandleControl(const link::CancelFrame& frame) {
    service_.Cancel(frame.job);
    shards_.Forget(frame.job);
    std::erase(jobs_, frame.job);
    std::erase_if(done_, [&](const Prefilled& result) { return result.id == frame.job; });
    return absl::OkStatus();
  }

  void OnShards(const absl::Status& status) {
    if (!status.ok()) Remark("cannot reach the shards", status);
    service_.SetTargets(shards_.targets());
    Send(link::AnswerFrame{link::AnswerFrame::To::kShards, gate_.last().fence.generation,
                           link::CodeOf(status), std::string(status.message())});
  }

  void OnReceived(uint64_t job, const absl::Status& status) {
    std::erase(jobs_, job);
    Send(link::HandedOffFrame{job, link::CodeOf(status), std::string(status.message())});
  }

  template <typename Frame>
  void Send(const Frame& frame) {
    // A driver whose window is full of answers does not read them any more.
    if (outlet_ != nullptr && !outlet_->Send(frame).ok()) DropDriver();
  }

  // Results, as the driver's link has room for them.
  bool Report() {
    bool moved = false;
    while (!done_.empty() && outlet_ != nullptr && outlet_->HasRoom()) {
      Prefilled result = std::move(done_.front());
      done_.erase(done_.begin());
      if (!result.status.ok()) std::erase(jobs_, result.id);
      SendLogprobs(result);
      Send(link::PrefilledFrame{result.id, link::CodeOf(result.status),
                                std::string(result.status.message()), std::move(result.logits),
                                std::move(result.vector)});
      moved = true;
    }
    return moved;
  }

  void SendLogprobs(const Prefilled& result) {
    const auto& values = result.prompt_logprobs;
    for (size_t first = 0; first < values.size(); first += kLogprobsAFrame) {
      link::PromptLogprobsFrame frame;
      frame.job = result.id;
      frame.first_index = static_cast<uint32_t>(first + 1);
      for (size_t i = first; i < std::min(values.size(), first + kLogprobsAFrame); ++i) {
        link::WireLogprob& wire = frame.values.emplace_back();
        wire.id = values[i].id;
        wire.logprob = values[i].logprob;
        for (const TokenLogprob& top : values[i].top) {
          wire.top_ids.push_back(top.id);
          wire.top_logprobs.push_back(top.logprob);
        }
      }
      Send(frame);
    }
  }

  const PrefillServerOptions& options_;
  const link::HelloFrame hello_;
  link::Reactor& reactor_;
  membership::OwnerGate gate_{"prefill worker"};
  PrefillService service_;
  link::PendingPeers pending_;
  ShardLinks shards_;
  std::unique_ptr<Connection> driver_;
  std::unique_ptr<link::PrefillToDriver> outlet_;
  link::PrefillFromDriver inlet_;
  std::vector<uint64_t> jobs_;  // the driver's, not yet handed off; bounded by the worker
  std::vector<Prefilled> done_;
};

absl::StatusOr<std::shared_ptr<const shard::PackedModel>> Load(const std::string& path,
                                                               kernels::ThreadPool* pool) {
  WL_ASSIGN_OR_RETURN(auto file, model::GgufFile::Open(path));
  WL_ASSIGN_OR_RETURN(const auto shape, model::ReadShape(*file));
  return shard::PackedModel::Load(std::move(file), {0, shape.layers}, pool);
}

}  // namespace

absl::Status RunPrefillServer(const PrefillServerOptions& options, const std::atomic<bool>& stop) {
  kernels::ThreadPool pool(options.ComputeThreads());
  std::shared_ptr<const shard::PackedModel> model = options.model;
  if (model == nullptr) {
    WL_ASSIGN_OR_RETURN(model, Load(options.model_path, &pool));
  }
  link::Reactor reactor(options.liveness, {options.tls, tls::Door::kPrefill});
  reactor.ReportTo(options.vitals);
  PrefillOptions prefill = options.prefill;
  prefill.between_layers = [&reactor] { reactor.Beat(); };
  WL_ASSIGN_OR_RETURN(auto worker, PrefillWorker::Create(model, prefill, &pool));
  link::HelloFrame hello = shard::HelloFor(link::Role::kPrefill, *model, {0, model->shape().layers},
                                           options.prefill.page_tokens);
  options.Sign(&hello);
  return PrefillServer(options, hello, &reactor, std::move(worker)).Run(stop);
}

}  // namespace waferline::prefill
