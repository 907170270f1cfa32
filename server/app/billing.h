// The usage database of a server: its store and its meter, or neither.
//
// Owner: the front ends. Thread: any. End: Stop, after the engines have stopped and before the
// front ends' own objects go.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "server/config/server_config.h"
#include "server/metering/store_meter.h"
#include "server/store/store.h"

namespace waferline::app {

class Billing {
 public:
  // Opens the store and settles what dead servers left open. InvalidArgument: the configuration
  // names no store. The store's errors.
  static absl::StatusOr<std::unique_ptr<Billing>> Start(const config::BillingConfig& config);

  metering::UsageMeter& meter() { return stored_ == nullptr ? nothing_ : *stored_; }

  // Waits for records under way, within store_patience. Nothing is recorded or called after it.
  void Stop();

 private:
  metering::UsageMeter nothing_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<metering::StoreMeter> stored_;
};

}  // namespace waferline::app
