#include "server/metering/store_meter.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "server/billing/rating.h"
#include "server/billing/transfer.h"
#include "server/metering/usage_tables.h"
#include "server/store/epoch.h"
#include "wafer_backend/base/mutex.h"
#include "wafer_backend/base/status.h"

namespace waferline::metering {
namespace {

using store::Connection;

const char* ReasonOf(FinishReason reason) {
  switch (reason) {
    case FinishReason::kStop:
      return "stop";
    case FinishReason::kLength:
      return "length";
    case FinishReason::kCancelled:
      return "cancelled";
    case FinishReason::kDeadline:
      return "deadline";
    case FinishReason::kFailed:
      break;
  }
  return "failed";
}

// Whole microdollars, rounded up: a hold is never too small.
int64_t MicroOf(Money money) {
  const Money::Columns columns = money.ToColumns();
  return columns.micro + (columns.pico > 0 ? 1 : 0);
}

}  // namespace

class StoreMeter::Records : public RequestUsage {
 public:
  Records(StoreMeter* meter, OpenUsage open, std::span<const ValidRequest> choices)
      : meter_(meter), open_(std::make_shared<const OpenUsage>(std::move(open))) {
    if (choices.front().own_arrival) arrival_ = choices.front().own_arrival->at;
    for (size_t i = 0; i < choices.size(); ++i) {
      shares_prompt_.push_back(i > 0 && choices[i].prompt == choices[i - 1].prompt);
    }
  }

  ~Records() override { meter_->OnAnswered(open_->id.ordinal); }

  UsageId id() const override { return open_->id; }
  bool waits() const override { return open_->capped; }

  void Open(Recorded recorded) override {
    if (open_->capped) {
      return meter_->writer_.Post(
          [open = open_](Connection& connection) { return OpenWithHold(connection, *open); },
          std::move(recorded));
    }
    meter_->writer_.Post(
        [meter = meter_, open = open_](Connection&) {
          meter->batch_.Open(*open);
          return absl::OkStatus();
        },
        std::move(recorded));
  }

  int64_t Post(int64_t choice, const Outcome& outcome, Recorded recorded) override {
    EndedUsage end{.reason = ReasonOf(outcome.reason),
                   .counts = {.prompt = outcome.prompt_tokens,
                              .cached = outcome.cached_tokens,
                              .generated = outcome.generated_tokens},
                   .compute = {.system_ns = outcome.compute.wafer_ns,
                               .accelerator_ns = outcome.compute.accelerator_ns,
                               .microjoules = outcome.compute.microjoules},
                   .ended_us = meter_->EndOf(arrival_, outcome)};
    if (shares_prompt_[static_cast<size_t>(choice)]) end.counts.prompt = end.counts.cached = 0;
    OpenUsage open = Choice(choice);
    meter_->RateInto(open, &end);
    const Money::Columns charge = end.charge.ToColumns();
    {
      MutexLock lock(&mutex_);
      (void)cost_.Add(end.charge);  // below what Money holds: the records' sum is checked
    }
    meter_->writer_.Post(
        [meter = meter_, open = std::move(open), end = std::move(end)](Connection&) {
          meter->batch_.Post(open, end);
          return absl::OkStatus();
        },
        std::move(recorded));
    return charge.micro * 1'000'000 + charge.pico;
  }

  void Withdraw(int64_t choice) override {
    meter_->writer_.Post(
        [meter = meter_, open = Choice(choice)](Connection&) {
          meter->batch_.Withdraw(open);
          return absl::OkStatus();
        },
        nullptr);
  }

  std::string CostText() const override {
    if (!meter_->options_.show_cost) return "";
    MutexLock lock(&mutex_);
    return cost_.Format();
  }

 private:
  OpenUsage Choice(int64_t choice) const {
    OpenUsage open = *open_;
    open.id.choice = choice;
    return open;
  }

  StoreMeter* const meter_;
  const std::shared_ptr<const OpenUsage> open_;
  Nanoseconds arrival_;              // the trace's own
  std::vector<bool> shares_prompt_;  // with the choice before it: a prompt counts once
  mutable Mutex mutex_;
  Money cost_ ABSL_GUARDED_BY(mutex_);  // of the choices that ended
};

StoreMeter::StoreMeter(store::Store* store, Options options)
    : store_(store),
      options_(std::move(options)),
      writer_(store,
              {.patience = options_.patience,
               .now = options_.now,
               .on_connect = [this](Connection& connection) { return OnConnect(connection); },
               .on_connected =
                   [this] {
                     epoch_ = next_epoch_;
                     epochs_ = next_epochs_;
                   },
               .on_begin = [this] { BeginGroup(); },
               .before_commit = [this](Connection& connection) { return WriteGroup(connection); },
               .on_committed = [this] { written_.reset(); }}) {}

// What an attempt that failed has taken is taken by the next.
void StoreMeter::BeginGroup() {
  batch_.Clear();
  if (!written_) return;
  MutexLock lock(&mutex_);
  marked_ = false;
}

absl::Status StoreMeter::WriteGroup(Connection& connection) {
  WL_RETURN_IF_ERROR(batch_.Write(connection));
  {
    MutexLock lock(&mutex_);
    if (marked_) return absl::OkStatus();
    marked_ = true;
    written_ = answered_.Text();
  }
  for (const int64_t epoch : epochs_) {
    WL_RETURN_IF_ERROR(
        connection.Run("UPDATE epoch SET answered = $2 WHERE id = $1", {epoch, *written_})
            .status());
  }
  return absl::OkStatus();
}

// The mark goes with the next commit of anything, or soon by itself.
void StoreMeter::OnAnswered(int64_t ordinal) {
  if (stopped_) return;
  {
    MutexLock lock(&mutex_);
    answered_.Add(ordinal);
    if (!std::exchange(marked_, false)) return;
  }
  writer_.Post([](Connection&) { return absl::OkStatus(); }, nullptr);
}

absl::StatusOr<std::unique_ptr<StoreMeter>> StoreMeter::Start(store::Store* store,
                                                              Options options) {
  std::unique_ptr<StoreMeter> meter(new StoreMeter(store, std::move(options)));
  WL_RETURN_IF_ERROR(meter->writer_.Start());
  return meter;
}

// SQLite's owner lock lasts as long as the process, so its epoch does. PostgreSQL's lock went with
// the lost connection: another server may have settled what was open under that epoch, so new
// requests get a new one.
absl::Status StoreMeter::OnConnect(Connection& connection) {
  next_epoch_ = epoch_;
  next_epochs_ = epochs_;
  if (epoch_ != 0 && store_->one_server()) return absl::OkStatus();
  WL_ASSIGN_OR_RETURN(next_epoch_,
                      store::StartEpoch(connection, options_.host, options_.unix_us()));
  next_epochs_ = epochs_;
  next_epochs_.push_back(next_epoch_);
  if (epoch_ != 0) return absl::OkStatus();
  WL_ASSIGN_OR_RETURN(const std::vector<int64_t> dead, store::DeadEpochs(connection, next_epoch_));
  interrupted_ = unconfirmed_ = 0;
  for (const int64_t one : dead) {
    const int64_t now_us = options_.unix_us();
    WL_ASSIGN_OR_RETURN(const int64_t settled, Settle(connection, one, now_us));
    interrupted_ += settled;
    WL_ASSIGN_OR_RETURN(const int64_t unsent,
                        SettleUnconfirmed(connection, one, options_.credit_unconfirmed, now_us));
    unconfirmed_ += unsent;
    WL_RETURN_IF_ERROR(store::EndEpoch(connection, one, now_us));
  }
  return absl::OkStatus();
}

// As the simulator dates its records.
int64_t StoreMeter::EndOf(Nanoseconds arrival, const Outcome& outcome) const {
  if (!options_.emulated_from_us) return options_.unix_us();
  return *options_.emulated_from_us + (arrival + outcome.times.total()).count() / 1000;
}

absl::StatusOr<std::shared_ptr<RequestUsage>> StoreMeter::Admit(const UsageRequest& request) {
  WL_RETURN_IF_ERROR(store_->Check());
  WL_RETURN_IF_ERROR(writer_.MayAdmit());
  OpenUsage open{.id = {.epoch = epoch_, .ordinal = next_ordinal_.fetch_add(1)},
                 .subject = request.subject,
                 .admitted_us = options_.unix_us(),
                 .choices = static_cast<int64_t>(request.choices.size()),
                 .capped = request.capped};
  if (options_.emulated_from_us) {
    const std::optional<OwnArrival>& own = request.choices.front().own_arrival;
    if (!own) {
      return absl::InvalidArgumentError(
          "usage is dated by emulated time here (billing.clock: emulated), so a request needs its "
          "own arrival (waferline.arrival_ns and arrival_number)");
    }
    open.admitted_us = *options_.emulated_from_us + own->at.count() / 1000;
  }
  if (request.capped && options_.prices != nullptr) {
    for (const ValidRequest& choice : request.choices) {
      const EndedUsage most{.counts = {.prompt = static_cast<int64_t>(choice.prompt->size())}};
      const auto price =
          billing::RateAtMost(*options_.prices, RecordOf(open, most), choice.max_tokens);
      if (price.ok()) open.hold_micro = std::max(open.hold_micro, MicroOf(*price));
    }
  }
  return std::make_shared<Records>(this, std::move(open), request.choices);
}

void StoreMeter::RateInto(const OpenUsage& open, EndedUsage* end) const {
  if (options_.prices == nullptr) return;
  const billing::UsageRecord record = RecordOf(open, *end);
  const absl::StatusOr<billing::RatedUsage> rated =
      billing::RateForLedger(*options_.prices, record);
  if (!rated.ok()) return;  // negative counts: the engine has none
  end->charge = rated->charge.total;
  if (rated->transfer) end->entries = rated->transfer->entries;
}

bool StoreMeter::Stop() {
  const int64_t now_us = options_.unix_us();
  const bool all = writer_.Flush(options_.patience);
  if (all) {
    writer_.Post([epoch = epoch_.load(), now_us](
                     Connection& connection) { return store::EndEpoch(connection, epoch, now_us); },
                 nullptr);
    writer_.Flush(options_.patience);
  }
  stopped_ = true;
  writer_.Stop();
  return all;
}

}  // namespace waferline::metering
