// The meter of a server with a database.
//
// Owner: server/app; dies after the front ends have let go of their requests' usage. Thread: any.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "server/metering/usage_meter.h"
#include "server/store/writer.h"

namespace waferline::metering {

class StoreMeter : public UsageMeter {
 public:
  struct Options {
    std::string host;                   // where this server runs, for people who read the tables
    Nanoseconds patience = Seconds(5);  // store_patience: how long an answer's end waits
    std::function<Nanoseconds()> now;   // monotonic
    std::function<int64_t()> unix_us;   // wall clock
    // What a sequence costs, and at most may cost. Not set: nothing.
    std::function<Money(const UsageSubject&, const UsageCounts&, int64_t admitted_us)> price;
  };

  // Starts an epoch and settles the dead ones. The store outlives this. Its errors.
  static absl::StatusOr<std::unique_ptr<StoreMeter>> Start(store::Store* store, Options options);

  absl::StatusOr<std::shared_ptr<RequestUsage>> Admit(const UsageRequest& request) override;

  // For other work of this server on the same database (tenants, keys, quotas).
  store::Writer& writer() { return writer_; }
  const Options& options() const { return options_; }
  // Records of servers that died, settled at the start.
  int64_t interrupted() const { return interrupted_; }

  // Lets what is under way be committed, within the patience, ends the epoch, and stops: nothing is
  // recorded any more. False: some records were not committed; the next server settles them.
  bool Stop();

 private:
  class Records;

  StoreMeter(store::Store* store, Options options);
  absl::Status OnConnect(store::Connection& connection);

  store::Store* const store_;
  const Options options_;
  std::atomic<int64_t> epoch_{0};
  int64_t next_epoch_ = 0;  // the writer's thread: until it is committed
  std::atomic<int64_t> next_ordinal_{1};
  int64_t interrupted_ = 0;
  store::Writer writer_;
};

}  // namespace waferline::metering
