#include "server/metering/request_records.h"

#include <algorithm>

#include "server/billing/prepaid.h"
#include "server/metering/usage_tables.h"

namespace waferline::metering {

using store::Connection;

StoreMeter::Records::Records(StoreMeter* meter, OpenUsage open,
                             std::span<const ValidRequest> choices)
    : meter_(meter),
      request_(std::make_shared<InFlight>(std::move(open), meter->options_.now())),
      kept_back_(request_->open.subject.asked == kBatchTier) {
  meter_->running_ += request_->open.choices;
  if (kept_back_) meter_->kept_back_.Add(request_->open);
  if (choices.front().own_arrival) arrival_ = choices.front().own_arrival->at;
  for (size_t i = 0; i < choices.size(); ++i) {
    shares_prompt_.push_back(i > 0 && choices[i].prompt == choices[i - 1].prompt);
  }
}

StoreMeter::Records::~Records() {
  meter_->running_ -= std::count(request_->over.begin(), request_->over.end(), false);
  if (kept_back_) meter_->kept_back_.Forget(open().id);
  meter_->OnAnswered(open().id.ordinal);
}

void StoreMeter::Records::SetOver(size_t choice) {
  if (!request_->over[choice].exchange(true)) --meter_->running_;
}

void StoreMeter::Records::Open(Recorded recorded) {
  if (!open().capped) {
    return meter_->OnAdmitted(request_);
  }
  const bool prepaid =
      billing::IsPrepaid(meter_->options_.prices, open().subject.plan, open().admitted_us);
  meter_->writer_.Post(
      [request = request_, prepaid](Connection& connection) {
        return OpenWithHold(connection, request->open, prepaid);
      },
      std::move(recorded));
}

PostedCounts StoreMeter::Records::Post(int64_t choice, const Outcome& outcome, Recorded recorded) {
  EndedUsage end{.reason = NameOf(outcome.reason),
                 .counts = {.prompt = outcome.prompt_tokens,
                            .cached = outcome.cached_tokens,
                            .generated = outcome.generated_tokens},
                 .compute = {.system_ns = outcome.compute.wafer_ns,
                             .accelerator_ns = outcome.compute.accelerator_ns,
                             .microjoules = outcome.compute.microjoules},
                 .ended_us = meter_->EndOf(arrival_, outcome)};
  if (shares_prompt_[static_cast<size_t>(choice)]) end.counts.prompt = end.counts.cached = 0;
  SetOver(static_cast<size_t>(choice));
  OpenUsage open = request_->Choice(choice);
  const ServiceTier asked = ServiceTierNamed(open.subject.asked).value_or(ServiceTier::kDefault);
  // A batch's lines have a price of their own, whichever units served them.
  if (!kept_back_) {
    open.subject.tier = std::string(NameOf(ChargedTier(asked, outcome.served)));
  }
  meter_->RateInto(open, &end);
  const Money::Columns charge = end.charge.ToColumns();
  {
    MutexLock lock(&mutex_);
    (void)cost_.Add(end.charge);  // below what Money holds: the records' sum is checked
  }
  const PostedCounts counts{end.counts, charge.micro * 1'000'000 + charge.pico};
  auto posted = std::make_shared<const PostedUsage>(PostedUsage{std::move(open), std::move(end)});
  if (kept_back_ && meter_->kept_back_.Keep(posted)) {
    recorded(absl::OkStatus());
    return counts;
  }
  meter_->writer_.Post(
      [meter = meter_, posted = std::move(posted)](Connection&) {
        meter->batch_.Post(posted);
        return absl::OkStatus();
      },
      std::move(recorded));
  return counts;
}

void StoreMeter::Records::Withdraw(int64_t choice) {
  SetOver(static_cast<size_t>(choice));
  meter_->writer_.Post(
      [meter = meter_, open = request_->Choice(choice)](Connection&) {
        meter->batch_.Withdraw(open);
        return absl::OkStatus();
      },
      nullptr);
}

std::string StoreMeter::Records::CostText() const {
  if (!meter_->options_.show_cost) return "";
  MutexLock lock(&mutex_);
  return cost_.Format();
}

}  // namespace waferline::metering
