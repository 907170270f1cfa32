// What a simulated run earns and costs: its requests as usage records, rated by the same code as a
// server's, and invoices by tenant and month.
//
// Cost is the devices' price an hour (hardware files), shared out by the time that requests
// occupied them; idle time is a row of its own.
#pragma once

#include <boost/json/object.hpp>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "scheduler/engine/observer.h"
#include "scheduler/simulator/offline_run.h"
#include "server/billing/price_book.h"
#include "server/billing/usage_record.h"
#include "wafer_backend/base/command_line/arguments.h"

namespace waferline::cli {

// --prices and what goes with it.
std::vector<Flag> BillingFlags();

// One usage record for each outcome, at the emulated instants counted from `from_us`. Memory: all
// records.
class UsageCollector : public engine::EngineObserver {
 public:
  UsageCollector(std::string plan, int64_t from_us) : plan_(std::move(plan)), from_us_(from_us) {}
  void OnOutcome(const engine::OutcomeInfo& info) override;
  const std::vector<billing::UsageRecord>& records() const { return records_; }
  int64_t from_us() const { return from_us_; }

 private:
  const std::string plan_;
  const int64_t from_us_;
  std::vector<billing::UsageRecord> records_;
};

class SimBilling {
 public:
  // Null without --prices. A usage error for what is not an instant; errors of the price book.
  static absl::StatusOr<std::unique_ptr<SimBilling>> Read(const Arguments& arguments);

  UsageCollector* collector() { return &collector_; }
  // Adds "billing" to the run's report, and writes what --usage-events and --focus ask for.
  absl::Status AddTo(simulator::OfflineResult* run) const;

 private:
  SimBilling(billing::PriceBook book, std::string plan, int64_t from_us)
      : book_(std::move(book)), plan_(plan), collector_(std::move(plan), from_us) {}

  const billing::PriceBook book_;
  const std::string plan_;
  std::string events_path_, focus_path_;
  UsageCollector collector_;
};

// The report's "billing" as text.
void PrintBilling(const boost::json::object& billing);

}  // namespace waferline::cli
