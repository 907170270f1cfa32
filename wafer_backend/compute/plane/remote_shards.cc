#include "wafer_backend/compute/plane/remote_shards.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/check.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/compute/link/sent_status.h"
#include "wafer_backend/compute/plane/worker_checks.h"
#include "wafer_backend/compute/shard/peer_model.h"

namespace waferline::plane {
namespace {

constexpr Nanoseconds kMaxLoading = Seconds(600);  // of assigned layers

}  // namespace

RemoteShards::RemoteShards(link::Reactor* reactor, Options options)
    : reactor_(reactor), options_(std::move(options)) {
  if (options_.standbys != nullptr) options_.standbys->SetChain(options_.chain, endpoints_);
}

void RemoteShards::Build() {
  if (state_ != State::kDown) return;
  TakeStandbys();
  state_ = State::kBuilding;
  built_by_ = reactor_->Now() + 2 * options_.patience;
  load_by_ = reactor_->Now() + kMaxLoading;
  credentials_.fence.generation = ++*options_.generations;
  options_.vitals->generation = credentials_.fence.generation;
  dropped_.clear();
  hellos_.assign(endpoints_.size(), {});
  memory_.clear();
  for (const ShardCounts& counts : counts_) memory_.push_back(counts.sums());
  for (size_t i = 0; i < endpoints_.size(); ++i) shards_.push_back(std::make_unique<Shard>());
  for (size_t i = 0; i < endpoints_.size(); ++i) {
    shards_[i]->attempt = std::make_unique<link::ConnectAttempt>(
        reactor_, endpoints_[i], kConnectPatience,
        [this, i](absl::StatusOr<std::unique_ptr<link::Connection>> result) {
          if (!result.ok()) return Fail(i, result.status());
          Greet(i, *std::move(result));
        });
  }
}

void RemoteShards::Fail(const absl::Status& why) {
  if (state_ == State::kDown) return;
  loss_ = {why, state_ == State::kUp};
  state_ = State::kDown;
  for (auto& shard : shards_) {
    shard->attempt.reset();
    shard->connection.reset();
    dropped_.push_back(std::move(shard));
  }
  shards_.clear();
  opening_.clear();
  opened_.clear();
  reports_pending_ = 0;
  if (logits_ != nullptr) {
    logits_ = nullptr;
    step_status_ = absl::UnavailableError(why.message());
  }
}

// Silence has had its patience already.
void RemoteShards::Fail(size_t index, const absl::Status& why) {
  if (state_ == State::kDown) return;
  if (!shards_[index]->reported && missing_[index] == Nanoseconds(0)) {
    const Nanoseconds waited = absl::IsDeadlineExceeded(why) ? options_.patience : Nanoseconds(0);
    missing_[index] = reactor_->Now() - waited;
  }
  Fail(absl::Status(why.code(), absl::StrCat("shard ", index + 1, " of ", endpoints_.size(), ": ",
                                             why.message())));
}

void RemoteShards::Watch() {
  options_.vitals->state = state_;
  const bool loading =
      std::any_of(shards_.begin(), shards_.end(), [](const auto& shard) { return shard->loading; });
  if (loading)  // heartbeats say that it is alive
    built_by_ = std::max(built_by_, std::min(reactor_->Now() + options_.patience, load_by_));
  if (logits_ != nullptr && reactor_->Now() > step_by_) {  // all others wait for it
    Fail(absl::DeadlineExceededError(
        absl::StrCat("the shards are alive but have not answered a step for ",
                     ToSeconds(options_.step_patience), " s")));
  }
  if (state_ == State::kBuilding && reactor_->Now() > built_by_)
    Fail(absl::DeadlineExceededError("the shards did not join within twice their patience"));
}

void RemoteShards::Greet(size_t index, std::unique_ptr<link::Connection> connection) {
  Shard* const shard = shards_[index].get();
  shard->connection = std::move(connection);
  shard->outlet = std::make_unique<link::DriverToShard>(shard->connection.get());
  shard->connection->Start(
      [this, shard, index](std::span<const uint8_t> bytes) {
        if (shard->greeted) {
          return shard->inlet.Accept(bytes,
                                     [this, index](auto& frame) { return On(index, frame); });
        }
        return shard->greeting.Accept(
            bytes, [this, index](const link::HelloFrame& hello) { return OnHello(index, hello); });
      },
      [this, index](const absl::Status& why) { Fail(index, why); });
  link::HelloFrame hello;
  hello.role = link::Role::kDriver;
  hello.model_fingerprint = options_.fingerprint;
  hello.credentials = credentials_;
  (void)link::GreetingOutlet(shard->connection.get()).Send(hello);
}

bool RemoteShards::All(bool Shard::*flag) const {
  return std::all_of(shards_.begin(), shards_.end(),
                     [flag](const auto& shard) { return (*shard).*flag; });
}

template <typename Frame>
void RemoteShards::ToAll(const Frame& frame) {
  for (size_t i = 0; i < shards_.size(); ++i) {
    const absl::Status status = shards_[i]->outlet->Send(frame);
    if (!status.ok()) return Fail(i, status);
  }
}

absl::Status RemoteShards::CheckFits(size_t index, const link::HelloFrame& hello) const {
  if (hello.model_fingerprint != options_.fingerprint) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the shard at ", endpoints_[index], " loaded a different model file than this server"));
  }
  if (hello.role != options_.role) {
    return absl::FailedPreconditionError(absl::StrCat("the worker at ", endpoints_[index], " is ",
                                                      link::NameOf(hello.role), ", not ",
                                                      link::NameOf(options_.role)));
  }
  if (first_hellos_.empty()) return absl::OkStatus();
  const link::HelloFrame& first = first_hellos_[index];
  WL_RETURN_IF_ERROR(CheckSameSizes(first, hello));
  if (hello.any_layers ||
      (hello.first_layer == first.first_layer && hello.end_layer == first.end_layer)) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(
      absl::StrCat("the shard at ", endpoints_[index], " has layers ", hello.first_layer, " to ",
                   hello.end_layer, " (exclusive), its place those from ", first.first_layer,
                   " to ", first.end_layer));
}

absl::Status RemoteShards::OnHello(size_t index, const link::HelloFrame& hello) {
  if (const absl::Status fits = CheckFits(index, hello); !fits.ok()) return OnMisfit(index, fits);
  missing_[index] = Nanoseconds(0);
  hellos_[index] = hello;
  Shard& shard = *shards_[index];
  shard.greeted = true;
  if (!hello.any_layers) return OnLayers(index);
  const shard::LayerRange layers = LayersOf(index);
  hellos_[index].first_layer = static_cast<uint32_t>(layers.first);
  hellos_[index].end_layer = static_cast<uint32_t>(layers.end);
  if (hello.first_layer == layers.first && hello.end_layer == layers.end) return OnLayers(index);
  shard.loading = true;
  return shard.outlet->Send(
      link::AssignFrame{hellos_[index].first_layer, hellos_[index].end_layer});
}

absl::Status RemoteShards::OnLayers(size_t index) {
  shards_[index]->loading = false;
  shards_[index]->ready = true;
  WL_RETURN_IF_ERROR(CheckHello(hellos_[index]));
  if (!All(&Shard::ready)) return absl::OkStatus();
  WL_RETURN_IF_ERROR(CheckChain());
  for (size_t i = 0; i < shards_.size(); ++i) {
    const bool last = i + 1 == shards_.size();
    WL_RETURN_IF_ERROR(shards_[i]->outlet->Send(link::JoinFrame{last ? "" : endpoints_[i + 1]}));
  }
  return absl::OkStatus();
}

absl::Status RemoteShards::CheckChain() const {
  uint32_t next = 0;
  for (size_t i = 0; i < hellos_.size(); ++i) {
    const link::HelloFrame& hello = hellos_[i];
    if (hello.first_layer != next || hello.page_tokens != hellos_[0].page_tokens) {
      return absl::FailedPreconditionError(
          absl::StrCat("the shard at ", endpoints_[i], " has layers ", hello.first_layer, " to ",
                       hello.end_layer, " (exclusive); layer ", next,
                       " should come next, of the same model and with the same page size"));
    }
    next = hello.end_layer;
  }
  if (next == hellos_.back().layer_count) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("the shards end before layer ", next, " of ", hellos_.back().layer_count));
}

absl::Status RemoteShards::On(size_t index, const link::AnswerFrame& answer) {
  const absl::Status status = link::StatusOf(answer.code, answer.message);
  Shard& shard = *shards_[index];
  switch (answer.to) {
    case link::AnswerFrame::To::kAssign:
      WL_RETURN_IF_ERROR(status);
      return shard.loading ? OnLayers(index) : absl::OkStatus();
    case link::AnswerFrame::To::kJoin:
      shard.reported = !status.ok();
      if (!status.ok() && answer.subject == link::AnswerFrame::kNextShard) OnUnjoined(index + 1);
      WL_RETURN_IF_ERROR(status);
      shard.joined = true;
      if (All(&Shard::joined)) AskMemory();
      return absl::OkStatus();
    case link::AnswerFrame::To::kOpen: {
      const auto opening = opening_.find(answer.subject);
      if (opening == opening_.end()) return absl::OkStatus();  // closed meanwhile
      std::vector<bool>& answered = opening->second.answered;
      if (opening->second.status.ok()) opening->second.status = status;
      answered[index] = true;
      if (std::find(answered.begin(), answered.end(), false) == answered.end()) {
        opened_.push_back({answer.subject, opening->second.status});
        opening_.erase(opening);
      }
      return absl::OkStatus();
    }
    case link::AnswerFrame::To::kStep:
      // Unavailable: the chain is broken and must be rebuilt. Any other error is only the step's.
      shard.reported = absl::IsUnavailable(status);
      if (shard.reported) return status;
      if (logits_ != nullptr && answer.subject == step_) {
        logits_ = nullptr;
        step_status_ = status;
      }
      return absl::OkStatus();
    case link::AnswerFrame::To::kShards:
      break;
  }
  return absl::InvalidArgumentError("a shard sent an answer that only a prefill worker sends");
}

absl::Status RemoteShards::On(size_t index, const link::MemoryFrame& memory) {
  WL_RETURN_IF_ERROR(CheckMemory(memory));
  memory_[index] = memory;
  counts_[index].Add(hellos_[index].credentials.incarnation, &memory_[index]);
  shards_[index]->memory_reported = true;
  memory_changed_ = true;
  if (reports_pending_ > 0) --reports_pending_;
  if (state_ == State::kBuilding && All(&Shard::memory_reported)) {
    state_ = State::kUp;
    unjoined_.assign(endpoints_.size(), 0);
    first_hellos_ = hellos_;
  }
  return absl::OkStatus();
}

absl::Status RemoteShards::On(size_t, link::LogitsFrame& logits) {
  if (logits_ == nullptr || logits.step != step_) return absl::OkStatus();  // given up
  if (logits.vocabulary != hellos_.back().vocabulary) {
    return absl::InvalidArgumentError(absl::StrCat("the last shard sent logits of ",
                                                   logits.vocabulary, " tokens, expected ",
                                                   hellos_.back().vocabulary));
  }
  WL_RETURN_IF_ERROR(CheckLogits(logits.logits, step_rows_, logits.vocabulary));
  std::swap(*logits_, logits);
  logits_ = nullptr;
  step_status_ = absl::OkStatus();
  return absl::OkStatus();
}

void RemoteShards::Open(uint32_t slot, uint32_t positions, uint64_t job) {
  opening_[job].answered.assign(shards_.size(), false);
  ToAll(link::OpenFrame{slot, positions, job});
}

void RemoteShards::Close(uint32_t slot, uint64_t job) {
  opening_.erase(job);
  if (state_ == State::kUp) ToAll(link::CloseFrame{slot});
}

void RemoteShards::StartStep(const link::TokenFrame& tokens, link::LogitsFrame* logits) {
  step_by_ = reactor_->Now() + options_.step_patience;
  step_ = tokens.step;
  step_rows_ = tokens.rows.size();
  logits_ = logits;
  const absl::Status status = shards_[0]->outlet->Send(tokens);
  if (!status.ok()) Fail(0, status);
}

void RemoteShards::AskMemory() {
  reports_pending_ += static_cast<uint32_t>(shards_.size());
  ToAll(link::AskMemoryFrame{});
}

link::ShardsFrame RemoteShards::addresses() const {
  link::ShardsFrame frame;
  frame.epoch = credentials_.fence.epoch;
  frame.generation = credentials_.fence.generation;
  for (size_t i = 0; i < endpoints_.size(); ++i) {
    frame.shards.push_back({endpoints_[i], hellos_[i].first_layer, hellos_[i].end_layer});
  }
  return frame;
}

}  // namespace waferline::plane
