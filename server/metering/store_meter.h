// The meter of a server with a database.
//
// Owner: server/app; dies after the front ends have let go of their requests' usage. Thread: any.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "server/billing/price_book.h"
#include "server/metering/answered_set.h"
#include "server/metering/kept_back.h"
#include "server/metering/usage_batch.h"
#include "server/metering/usage_meter.h"
#include "server/store/writer.h"
#include "wafer_backend/base/mutex.h"

namespace waferline::metering {

class StoreMeter : public UsageMeter {
 public:
  static constexpr Nanoseconds kMaxLostWait = Seconds(1);

  struct Options {
    std::string host;                   // where this server runs, for people who read the tables
    Nanoseconds patience = Seconds(5);  // store_patience: how long an answer's end waits
    std::function<Nanoseconds()> now;   // monotonic
    std::function<int64_t()> unix_us;   // wall clock
    const billing::PriceBook* prices = nullptr;  // what records cost; null: nothing
    bool show_cost = false;                      // answers say what they cost
    // Posted records of a server that died whose answer was perhaps not sent are credited.
    bool credit_unconfirmed = false;
    // Records are timed by the trace's own arrivals and emulated durations, counted from this
    // instant: the same trace gives the same invoice. Not set: by the wall clock.
    std::optional<int64_t> emulated_from_us;
    // What a generated token of a model occupies of its wafers, at most and healthy: what is held
    // for it where compute time is paid for. Not set: nothing.
    std::function<int64_t(const std::string& model)> system_ns_per_token;
    // Why records are not written, for the operator: once, until they are again. Any thread.
    std::function<void(const absl::Status&)> on_trouble;
    // What stops nothing and the operator should know: a loss that was found at the start, a change
    // of the database's file from outside. Any thread.
    std::function<void(const std::string&)> on_notice;
    // A request that is over within this leaves no open row, only its record: half of the work. One
    // that a killed server had for less leaves none at all; it is not charged either way.
    Nanoseconds open_delay = Seconds(1);
  };

  // Starts an epoch and settles the dead ones. The store outlives this. Its errors.
  static absl::StatusOr<std::unique_ptr<StoreMeter>> Start(store::Store* store, Options options);

  // InvalidArgument: emulated times need a request's own arrival.
  absl::StatusOr<std::shared_ptr<RequestUsage>> Admit(const UsageRequest& request) override;
  // The records of a batch's line are kept back until its answer's row is written: then they are
  // posted in the same transaction, or withdrawn if the row is not kept. Gives what does that, to
  // be called in a piece of the writer, again if that is repeated; once for a request, by the id of
  // its first choice. Null: it has no records.
  std::function<void(bool row_is_kept)> TakeKeptBack(const std::string& usage_id);

  // What still waits is dropped, and with it requests that are not over.
  ~StoreMeter() override { stopped_ = true; }

  // Unavailable and why: nothing is admitted now.
  absl::Status Check();
  // For other work of this server on the same database (tenants, keys, quotas).
  store::Writer& writer() { return writer_; }
  const Options& options() const { return options_; }
  // Records of servers that died, settled at the start.
  int64_t interrupted() const { return interrupted_; }

  // The same, posted, but their answers were perhaps not sent.
  int64_t unconfirmed() const { return unconfirmed_; }

  // Lets what is under way be committed, within the patience; within kMaxLostWait of it while the
  // database's file is gone. False: some is not.
  bool Flush();
  // The same, unless Flush failed before, ends the epoch, and stops: nothing is recorded any more.
  // False: some records were not committed; the next server settles them.
  bool Stop();

 private:
  class Records;
  struct InFlight;

  StoreMeter(store::Store* store, Options options);
  absl::Status OnConnect(store::Connection& connection);
  absl::Status SkipPositions(store::Connection& connection);
  void BeginGroup();
  // In the group's transaction, after its pieces.
  absl::StatusOr<std::vector<store::Statement>> WriteGroup(store::Connection& connection);
  int64_t EndOf(Nanoseconds arrival, const Outcome& outcome) const;
  void ReportTrouble(const absl::Status& why);
  void ReportNotices();
  // A request without a hold was admitted.
  void OnAdmitted(std::shared_ptr<const InFlight> request);
  void LookAgain(Nanoseconds within);
  void OnCommitted();
  void WriteAnswered(std::vector<store::Statement>* last);
  // Adds to the batch what has been in flight for open_delay.
  void TakeOpens();
  // A request's answer is over.
  void OnAnswered(int64_t ordinal);
  // What a choice may cost if it generates so many tokens, in microdollars, rounded up.
  int64_t MostOf(const OpenUsage& open, const ValidRequest& choice, int64_t tokens) const;
  // What the record costs by the prices, and how the ledger books it.
  void RateInto(const OpenUsage& open, EndedUsage* end) const;

  store::Store* const store_;
  const Options options_;
  std::atomic<int64_t> epoch_{0};
  int64_t next_epoch_ = 0;  // the writer's thread: until it is committed
  std::atomic<int64_t> next_ordinal_{1};
  std::atomic<int64_t> running_{0};  // choices that were admitted and are not over
  std::atomic<bool> stopped_{false}, flushing_{false};
  bool gave_up_ = false;  // Flush, by the thread that stops
  KeptBack kept_back_;
  int64_t interrupted_ = 0, unconfirmed_ = 0;
  int64_t lost_epoch_ = 0;  // that the database should know; set at the start
  // The writer's thread: the epochs of this server so far, and what its group does.
  std::vector<int64_t> epochs_, next_epochs_;
  UsageBatch batch_;
  std::optional<std::string> written_;                    // of answered_, not committed yet
  std::vector<std::shared_ptr<const InFlight>> opening_;  // written, not committed yet
  bool attempted_ = false;                                // the group, and not committed yet
  bool one_by_one_ = false;                               // how the group is written
  int64_t next_position_ = 1;
  Nanoseconds next_mark_{};  // not before it is answered_ written again
  // When the store was as it should be.
  static constexpr int64_t kNeverNs = std::numeric_limits<int64_t>::min() / 2;
  std::atomic<int64_t> checked_ns_{kNeverNs};
  Mutex mutex_;
  std::string trouble_ ABSL_GUARDED_BY(mutex_);  // that was reported
  AnsweredSet answered_ ABSL_GUARDED_BY(mutex_);
  bool marked_ ABSL_GUARDED_BY(mutex_) = true;  // what is answered is written, or about to be
  // By time: admitted, and no row yet.
  std::deque<std::shared_ptr<const InFlight>> admitted_ ABSL_GUARDED_BY(mutex_);
  store::Writer writer_;
};

}  // namespace waferline::metering
