// Posted records in the order in which each epoch's were posted, from a cursor on: what other
// programs bill or forward from. A record comes exactly once to a reader that keeps the cursor of
// the last record that it took; one whose charge was credited comes again, then without a charge.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "server/billing/usage_record.h"
#include "server/money/money.h"
#include "server/store/connection.h"

namespace waferline::accounts {

// How far a reader is: each epoch's last position, and below which epoch there is nothing more to
// come. Written "7;8:120,9:31"; "" is the beginning. A value. Bounds: an epoch stays in it until an
// hour after its end.
class UsageCursor {
 public:
  static constexpr size_t kMaxBytes = 64 * 1024;

  // InvalidArgument: not one that this program wrote.
  static absl::StatusOr<UsageCursor> Parse(std::string_view text);
  std::string Text() const;

  int64_t first_epoch() const { return first_epoch_; }
  int64_t PositionIn(int64_t epoch) const;
  void Take(int64_t epoch, int64_t position) { positions_[epoch] = position; }
  // All that `epoch`, and those below it, will ever have was taken.
  void Close(int64_t epoch);

 private:
  int64_t first_epoch_ = 0;
  std::map<int64_t, int64_t> positions_;
};

struct StreamedUsage {
  billing::UsageRecord record;
  std::string endpoint, request_id, reason;
  bool credited = false;
  Money charge;
  UsageCursor cursor;  // after this one
};

struct UsagePage {
  std::vector<StreamedUsage> records;
  UsageCursor next;  // also past what the tenants' filter left out
};

struct UsageQuestion {
  UsageCursor from;
  std::vector<std::string> tenants;  // empty: all
  int64_t now_us = 0;
  int64_t count = 0;  // of records at most, about
};

// A page without records: there are no more yet.
absl::StatusOr<UsagePage> ReadUsageStream(store::Connection& connection,
                                          const UsageQuestion& question);

}  // namespace waferline::accounts
