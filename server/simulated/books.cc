#include "server/simulated/books.h"

#include <map>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/accounts/books.h"
#include "server/billing/price_book_reader.h"
#include "server/runtime/host.h"
#include "wafer_backend/base/check.h"
#include "wafer_backend/base/status.h"

namespace waferline::simulated {
namespace {

constexpr char kPrices[] = R"(currency: USD
versions:
  - effective: 2020-01-01T00:00:00Z
    models:
      - {name: tiny, source: "? of no one", input: "0.37", output: "1.13"}
)";

struct Recorded {
  std::string status, reason;
  int64_t prompt = 0;
  int64_t generated = 0;
};
using RecordsById = std::multimap<std::string, Recorded>;

absl::StatusOr<RecordsById> ReadRecords(store::Connection& connection) {
  WL_ASSIGN_OR_RETURN(
      const store::Result result,
      connection.Run("SELECT request_id, status, reason, prompt, generated FROM usage", {}));
  RecordsById records;
  for (const store::Row& row : result.rows) {
    records.emplace(store::TextOf(row[0]), Recorded{.status = store::TextOf(row[1]),
                                                    .reason = store::TextOf(row[2]),
                                                    .prompt = store::IntegerOf(row[3]),
                                                    .generated = store::IntegerOf(row[4])});
  }
  return records;
}

std::string Shown(const Asked& asked, const RecordsById& records) {
  const auto [first, last] = records.equal_range(asked.id);
  std::string text =
      absl::StrCat(asked.id, " (ending ", static_cast<int>(asked.ending), ", ", asked.tokens,
                   " tokens", asked.server->dead ? ", killed" : "", ") has records:");
  for (auto at = first; at != last; ++at) {
    absl::StrAppend(&text, " [", at->second.status, " ", at->second.reason, " ",
                    at->second.generated, "]");
  }
  return text;
}

// What is wrong with a request's records; "": nothing.
const char* WrongOf(const Cloud& cloud, const Asked& asked, const RecordsById& records) {
  const auto [first, last] = records.equal_range(asked.id);
  const auto count = std::distance(first, last);
  if (count > 1) return "it is recorded more than once";
  const Recorded* const record = count == 0 ? nullptr : &first->second;
  const bool posted = record != nullptr && record->status == "posted";
  if (record != nullptr && record->status == "open") return "its record is still open";
  if (posted && asked.ending == Ending::kRefused) return "it was refused and is charged";
  if (posted && asked.ending == Ending::kLost) return "its client got no end, and it is charged";
  if (posted && record->generated != asked.tokens) return "other tokens are charged than were sent";
  if (posted && record->prompt != asked.prompt) return "another prompt is charged than was asked";
  if (asked.ending != Ending::kComplete) return "";
  if (record == nullptr) return "its client got all, and nothing is recorded";
  const bool credited = record->reason == "unconfirmed" && cloud.MayLackMarks(*asked.server);
  return posted || credited ? "" : "its client got all, and it is not charged";
}

absl::Status Check(Cloud* cloud, Cloud::Front* front, Process* process) {
  WL_ASSIGN_OR_RETURN(const auto store,
                      front->disk->OpenStore(process, store::Durability::kProcess));
  {
    WL_ASSIGN_OR_RETURN(const auto meter,
                        metering::StoreMeter::Start(store.get(), MeterOptions(Prices())));
    if (!meter->Stop()) cloud->Fail("billing: a healthy disk takes no records");
  }
  WL_ASSIGN_OR_RETURN(const auto connection, store->Connect());
  WL_RETURN_IF_ERROR(connection->BeginRead());
  WL_ASSIGN_OR_RETURN(const RecordsById records, ReadRecords(*connection));
  connection->Rollback();
  for (const Asked& asked : cloud->asked()) {
    if (asked.front != front) continue;
    const char* const wrong = WrongOf(*cloud, asked, records);
    if (*wrong != 0) cloud->Fail(absl::StrCat("billing: ", wrong, ": ", Shown(asked, records)));
  }
  WL_ASSIGN_OR_RETURN(const auto report, accounts::VerifyStore(*connection, Prices()));
  if (!report.clean() || report.duplicates > 0 || report.unbalanced > 0 || report.open > 0) {
    cloud->Fail(absl::StrCat("billing: the ledger does not verify: ", report.differences_found,
                             " differences, ", report.duplicates, " duplicates, ",
                             report.unbalanced, " unbalanced, ", report.open, " open",
                             report.differences.empty() ? "" : ": " + report.differences[0]));
  }
  cloud->figures().records += static_cast<uint64_t>(report.posted);
  cloud->figures().interrupted += static_cast<uint64_t>(report.interrupted);
  return absl::OkStatus();
}

}  // namespace

const billing::PriceBook& Prices() {
  static const auto* const book = [] {
    auto parsed = billing::ParsePriceBook("simulated", kPrices);
    WL_CHECK(parsed.ok());
    return new billing::PriceBook(*std::move(parsed));
  }();
  return *book;
}

void CheckBooks(Cloud* cloud, Cloud::Front* front, Process* process) {
  const absl::Status status = Check(cloud, front, process);
  if (!status.ok()) cloud->Fail(absl::StrCat("billing: ", status.ToString()));
}

}  // namespace waferline::simulated
