#include "server/accounts/usage_stream.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "server/accounts/ledger_tables.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"

namespace waferline::accounts {
namespace {

using store::IntegerOf;
using store::Result;
using store::Row;
using store::TextOf;

// A server that lost its connection may still post under an epoch that another has ended.
constexpr int64_t kLateUs = 3600LL * 1'000'000;

absl::Status NoCursor() {
  return absl::InvalidArgumentError(
      "is not a cursor: send the cursor of the last record, unchanged");
}

std::optional<int64_t> Number(std::string_view text) {
  int64_t number = 0;
  if (!absl::SimpleAtoi(Absl(text), &number) || number < 0) return std::nullopt;
  return number;
}

}  // namespace

absl::StatusOr<UsageCursor> UsageCursor::Parse(std::string_view text) {
  UsageCursor cursor;
  if (text.empty()) return cursor;
  if (text.size() > kMaxBytes) return NoCursor();
  const std::vector<std::string> halves = absl::StrSplit(Absl(text), ';');
  const std::optional<int64_t> first = Number(halves[0]);
  if (halves.size() != 2 || !first) return NoCursor();
  cursor.first_epoch_ = *first;
  for (const auto part : absl::StrSplit(halves[1], ',', absl::SkipEmpty())) {
    const std::vector<std::string> pair = absl::StrSplit(part, ':');
    if (pair.size() != 2) return NoCursor();
    const std::optional<int64_t> epoch = Number(pair[0]), position = Number(pair[1]);
    if (!epoch || !position || *epoch < *first) return NoCursor();
    if (!cursor.positions_.emplace(*epoch, *position).second) return NoCursor();
  }
  return cursor;
}

std::string UsageCursor::Text() const {
  std::string text = absl::StrCat(first_epoch_, ";");
  const char* between = "";
  for (const auto& [epoch, position] : positions_) {
    absl::StrAppend(&text, std::exchange(between, ","), epoch, ":", position);
  }
  return text;
}

int64_t UsageCursor::PositionIn(int64_t epoch) const {
  const auto found = positions_.find(epoch);
  return found == positions_.end() ? 0 : found->second;
}

void UsageCursor::Close(int64_t epoch) {
  first_epoch_ = epoch + 1;
  positions_.erase(positions_.begin(), positions_.upper_bound(epoch));
}

absl::StatusOr<UsagePage> ReadUsageStream(store::Connection& connection,
                                          const UsageQuestion& question) {
  const std::vector<std::string>& tenants = question.tenants;
  UsagePage page{.records = {}, .next = question.from};
  WL_ASSIGN_OR_RETURN(const Result epochs,
                      connection.Run("SELECT id, ended_us FROM epoch WHERE id >= $1 ORDER BY id",
                                     {page.next.first_epoch()}));
  bool all_closed = true;
  for (const Row& row : epochs.rows) {
    const int64_t epoch = IntegerOf(row[0]), ended_us = IntegerOf(row[1]);
    const int64_t room = question.count - static_cast<int64_t>(page.records.size());
    if (room <= 0) break;
    WL_ASSIGN_OR_RETURN(const std::vector<PositionedUsage> found,
                        UsageAfter(connection, epoch, page.next.PositionIn(epoch), room));
    for (const PositionedUsage& usage : found) {
      page.next.Take(epoch, usage.position);
      const std::string& tenant = usage.record.tenant;
      if (!tenants.empty() && std::find(tenants.begin(), tenants.end(), tenant) == tenants.end()) {
        continue;
      }
      page.records.push_back({.record = usage.record,
                              .endpoint = usage.endpoint,
                              .request_id = usage.request_id,
                              .reason = usage.reason,
                              .credited = usage.credited,
                              .charge = usage.charge,
                              .cursor = page.next});
    }
    const bool over = ended_us != 0 && ended_us + kLateUs < question.now_us;
    all_closed = all_closed && over && static_cast<int64_t>(found.size()) < room;
    if (all_closed) page.next.Close(epoch);
  }
  return page;
}

}  // namespace waferline::accounts
