#include "server/metering/store_meter.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "server/metering/usage_tables.h"
#include "server/store/epoch.h"
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
    for (size_t i = 0; i < choices.size(); ++i) {
      shares_prompt_.push_back(i > 0 && choices[i].prompt == choices[i - 1].prompt);
    }
  }

  UsageId id() const override { return open_->id; }
  bool waits() const override { return open_->capped; }

  void Open(Recorded recorded) override {
    meter_->writer_.Post(
        [open = open_](Connection& connection) { return metering::Open(connection, *open); },
        std::move(recorded));
  }

  void Post(int64_t choice, const Outcome& outcome, Recorded recorded) override {
    EndedUsage end{.reason = ReasonOf(outcome.reason),
                   .counts = {.prompt = outcome.prompt_tokens,
                              .cached = outcome.cached_tokens,
                              .generated = outcome.generated_tokens},
                   .ended_us = meter_->options_.unix_us()};
    if (shares_prompt_[static_cast<size_t>(choice)]) end.counts.prompt = end.counts.cached = 0;
    // What failed is not charged; what a client left or a deadline ended is, as far as it went.
    if (outcome.reason != FinishReason::kFailed) end.charge = PriceOf(end.counts);
    meter_->writer_.Post(
        [open = Choice(choice), end = std::move(end)](Connection& connection) {
          return metering::Post(connection, open, end);
        },
        std::move(recorded));
  }

  void Withdraw(int64_t choice) override {
    meter_->writer_.Post(
        [open = Choice(choice)](Connection& connection) {
          return metering::Withdraw(connection, open);
        },
        nullptr);
  }

 private:
  OpenUsage Choice(int64_t choice) const {
    OpenUsage open = *open_;
    open.id.choice = choice;
    return open;
  }
  Money PriceOf(const UsageCounts& counts) const {
    return meter_->options_.price
               ? meter_->options_.price(open_->subject, counts, open_->admitted_us)
               : Money();
  }

  StoreMeter* const meter_;
  const std::shared_ptr<const OpenUsage> open_;
  std::vector<bool> shares_prompt_;  // with the choice before it: a prompt counts once
};

StoreMeter::StoreMeter(store::Store* store, Options options)
    : store_(store),
      options_(std::move(options)),
      writer_(store,
              {.patience = options_.patience,
               .now = options_.now,
               .on_connect = [this](Connection& connection) { return OnConnect(connection); },
               .on_connected = [this] { epoch_ = next_epoch_; }}) {}

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
  if (epoch_ != 0 && store_->one_server()) return absl::OkStatus();
  WL_ASSIGN_OR_RETURN(next_epoch_,
                      store::StartEpoch(connection, options_.host, options_.unix_us()));
  if (epoch_ != 0) return absl::OkStatus();
  WL_ASSIGN_OR_RETURN(const std::vector<int64_t> dead, store::DeadEpochs(connection, next_epoch_));
  interrupted_ = 0;
  for (const int64_t one : dead) {
    const int64_t now_us = options_.unix_us();
    WL_ASSIGN_OR_RETURN(const int64_t settled, Settle(connection, one, now_us));
    interrupted_ += settled;
    WL_RETURN_IF_ERROR(store::EndEpoch(connection, one, now_us));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<RequestUsage>> StoreMeter::Admit(const UsageRequest& request) {
  WL_RETURN_IF_ERROR(writer_.MayAdmit());
  OpenUsage open{.id = {.epoch = epoch_, .ordinal = next_ordinal_.fetch_add(1)},
                 .subject = request.subject,
                 .admitted_us = options_.unix_us(),
                 .choices = static_cast<int64_t>(request.choices.size()),
                 .capped = request.capped};
  if (request.capped && options_.price) {
    for (const ValidRequest& choice : request.choices) {
      const UsageCounts most{.prompt = static_cast<int64_t>(choice.prompt->size()),
                             .generated = choice.max_tokens};
      open.hold_micro = std::max(open.hold_micro,
                                 MicroOf(options_.price(request.subject, most, open.admitted_us)));
    }
  }
  return std::make_shared<Records>(this, std::move(open), request.choices);
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
  writer_.Stop();
  return all;
}

}  // namespace waferline::metering
