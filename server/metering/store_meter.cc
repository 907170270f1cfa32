#include "server/metering/store_meter.h"

#include <algorithm>
#include <functional>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "server/billing/prepaid.h"
#include "server/billing/rating.h"
#include "server/billing/transfer.h"
#include "server/metering/request_records.h"
#include "server/metering/usage_tables.h"
#include "server/store/epoch.h"
#include "wafer_backend/base/mutex.h"
#include "wafer_backend/base/status.h"

namespace waferline::metering {
namespace {

using store::Connection;

// A sequence that is preempted or loses its unit computes the token under way again.
constexpr int64_t kMaxLostBeats = 8;

// A file that is gone is noticed as soon as this, and before a record is committed.
constexpr Nanoseconds kCheckPeriod = Milliseconds(10);

}  // namespace

StoreMeter::StoreMeter(store::Store* store, Options options)
    : store_(store),
      options_(std::move(options)),
      writer_(store,
              {.patience = options_.patience,
               .now = options_.now,
               .more_may_come = [this] { return running_ > 0; },
               .on_connect = [this](Connection& connection) { return OnConnect(connection); },
               .on_connected =
                   [this] {
                     epoch_ = next_epoch_;
                     epochs_ = next_epochs_;
                   },
               .on_begin = [this] { BeginGroup(); },
               .before_commit = [this](Connection& connection) { return WriteGroup(connection); },
               .on_committed = [this] { OnCommitted(); },
               .on_trouble = [this](const absl::Status& why) { ReportTrouble(why); }}) {}

absl::StatusOr<std::unique_ptr<StoreMeter>> StoreMeter::Start(store::Store* store,
                                                              Options options) {
  std::unique_ptr<StoreMeter> meter(new StoreMeter(store, std::move(options)));
  WL_RETURN_IF_ERROR(meter->writer_.Start());
  meter->ReportNotices();
  if (const int64_t lost = meter->lost_epoch_; lost > 0 && meter->options_.on_notice) {
    meter->options_.on_notice(absl::StrCat(
        "does not know the last server that used it (epoch ", lost,
        "): an older copy was put back, or its log was lost. Usage that this server recorded, and "
        "perhaps the last of those before it, is not in the database and will not be charged; its "
        "ids do not come again. To have it back stop the server and put back the newest whole copy "
        "(the file with its -wal); else go on. If that server died before it was ready, nothing is "
        "lost"));
  }
  return meter;
}

void StoreMeter::ReportNotices() {
  for (const std::string& notice : store_->TakeNotices()) {
    if (options_.on_notice) options_.on_notice(notice);
  }
}

// SQLite's owner lock lasts as long as the process, so its epoch does. PostgreSQL's lock went with
// the lost connection: another server may have settled what was open under that epoch, so new
// requests get a new one.
absl::Status StoreMeter::OnConnect(Connection& connection) {
  next_epoch_ = epoch_;
  next_epochs_ = epochs_;
  if (epoch_ != 0 && store_->one_server()) return absl::OkStatus();
  const int64_t last = store_->last_epoch();
  WL_ASSIGN_OR_RETURN(const bool lost,
                      store::RestoreLostEpoch(connection, last, options_.unix_us()));
  lost_epoch_ = lost ? last : 0;
  WL_ASSIGN_OR_RETURN(next_epoch_,
                      store::StartEpoch(connection, options_.host, options_.unix_us()));
  WL_RETURN_IF_ERROR(store_->KeepEpoch(next_epoch_));
  next_epochs_ = epochs_;
  next_epochs_.push_back(next_epoch_);
  if (epoch_ != 0) return SkipPositions(connection);
  WL_ASSIGN_OR_RETURN(const std::vector<int64_t> dead, store::DeadEpochs(connection, next_epoch_));
  unconfirmed_ = 0;
  WL_ASSIGN_OR_RETURN(interrupted_, SettleEnded(connection, options_.unix_us()));
  for (const int64_t one : dead) {
    const int64_t now_us = options_.unix_us();
    WL_ASSIGN_OR_RETURN(const int64_t settled, Settle(connection, one, now_us));
    interrupted_ += settled;
    WL_ASSIGN_OR_RETURN(
        const int64_t unsent,
        SettleUnconfirmed(
            connection, one,
            {.credit = options_.credit_unconfirmed, .prices = options_.prices, .now_us = now_us}));
    unconfirmed_ += unsent;
    WL_RETURN_IF_ERROR(store::EndEpoch(connection, one, now_us));
  }
  return absl::OkStatus();
}

// Another server may have credited records of this one's old epochs meanwhile: what is posted late
// comes after those.
absl::Status StoreMeter::SkipPositions(Connection& connection) {
  for (const int64_t epoch : epochs_) {
    WL_ASSIGN_OR_RETURN(
        const store::Result last,
        connection.Run(
            "SELECT COALESCE(MAX(position), 0) FROM usage WHERE epoch = $1 AND position > 0",
            {epoch}));
    next_position_ = std::max(next_position_, store::IntegerOf(last.rows[0][0]) + 1);
  }
  return absl::OkStatus();
}

// As the simulator dates its records.
int64_t StoreMeter::EndOf(Nanoseconds arrival, const Outcome& outcome) const {
  if (!options_.emulated_from_us) return options_.unix_us();
  return *options_.emulated_from_us + (arrival + outcome.times.total()).count() / 1000;
}

absl::Status StoreMeter::Check() {
  const int64_t now_ns = options_.now().count();
  const absl::Status status = store_->Check();
  checked_ns_ = status.ok() ? now_ns : kNeverNs;
  ReportNotices();
  if (!status.ok()) {
    ReportTrouble(status);
    return status;
  }
  return writer_.MayAdmit();
}

void StoreMeter::ReportTrouble(const absl::Status& why) {
  {
    MutexLock lock(&mutex_);
    if (trouble_ == why.message()) return;
    trouble_ = std::string(why.message());
  }
  if (options_.on_trouble) options_.on_trouble(why);
}

absl::StatusOr<std::shared_ptr<RequestUsage>> StoreMeter::Admit(const UsageRequest& request) {
  const bool checked = options_.now().count() - checked_ns_ < kCheckPeriod.count();
  WL_RETURN_IF_ERROR(checked ? writer_.MayAdmit() : Check());
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
    open.max_tokens = request.choices.front().max_tokens;
    for (const ValidRequest& choice : request.choices) {
      open.max_tokens = std::min<int64_t>(open.max_tokens, choice.max_tokens);
      open.prompt_micro = std::max(open.prompt_micro, MostOf(open, choice, 0));
      open.hold_micro = std::max(open.hold_micro, MostOf(open, choice, choice.max_tokens));
    }
  }
  return std::make_shared<Records>(this, std::move(open), request.choices);
}

// 0 if it has no price.
int64_t StoreMeter::MostOf(const OpenUsage& open, const ValidRequest& choice,
                           int64_t tokens) const {
  const std::string& model = open.subject.model;
  const int64_t token_ns = options_.system_ns_per_token ? options_.system_ns_per_token(model) : 0;
  const EndedUsage most{.counts = {.prompt = static_cast<int64_t>(choice.prompt->size())},
                        .compute = {.system_ns = (tokens + kMaxLostBeats) * token_ns}};
  const auto price = billing::RateAtMost(*options_.prices, RecordOf(open, most), tokens);
  return price.ok() ? MicroRoundedUp(*price) : 0;
}

void StoreMeter::RateInto(const OpenUsage& open, EndedUsage* end) const {
  if (options_.prices == nullptr) return;
  const billing::UsageRecord record = RecordOf(open, *end);
  const absl::StatusOr<billing::RatedUsage> rated =
      billing::RateForLedger(*options_.prices, record);
  if (!rated.ok()) return;  // negative counts: the engine has none
  end->charge = rated->cost;
  end->prepaid = billing::IsPrepaid(options_.prices, open.subject.plan, open.admitted_us);
  if (rated->transfer) end->entries = rated->transfer->entries;
}

bool StoreMeter::Flush() {
  const bool there = store_->Check().ok();
  flushing_ = true;
  gave_up_ = !writer_.Flush(there ? options_.patience : std::min(options_.patience, kMaxLostWait));
  flushing_ = false;
  return !gave_up_;
}

std::function<void(bool)> StoreMeter::TakeKeptBack(const std::string& usage_id) {
  auto posts = kept_back_.Take(usage_id);
  if (posts.empty()) return nullptr;
  return [this, posts = std::move(posts)](bool row_is_kept) {
    for (const auto& posted : posts) {
      if (row_is_kept) {
        batch_.Post(posted);
      } else {
        batch_.Withdraw(posted->open);
      }
    }
  };
}

bool StoreMeter::Stop() {
  const int64_t now_us = options_.unix_us();
  if (!gave_up_ && Flush()) {
    // Lines without a row are run again by the next server.
    writer_.Post(
        [this, lines = kept_back_.Close()](Connection&) {
          for (const OpenUsage& choice : lines) batch_.Withdraw(choice);
          return absl::OkStatus();
        },
        nullptr);
    Flush();
    // What is still open was not over, or its record could not be written.
    writer_.Post(
        [epoch = epoch_.load(), now_us](Connection& connection) {
          WL_RETURN_IF_ERROR(Settle(connection, epoch, now_us).status());
          return store::EndEpoch(connection, epoch, now_us);
        },
        nullptr);
    Flush();
  }
  stopped_ = true;
  writer_.Stop();
  return !gave_up_;
}

}  // namespace waferline::metering
