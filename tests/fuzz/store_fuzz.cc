// fuzzes: server/accounts server/metering server/batches
// What people and servers put into the store, in any order and with any names: tenants, keys and
// quotas, price books, usage, invoices, files of batches. Whatever is refused, the ledger that is
// left is clean: each charge, sum, transfer and invoice follows from the records.
#include <cstdint>
#include <iterator>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/accounts/account_tables.h"
#include "server/accounts/invoice_tables.h"
#include "server/accounts/ledger_tables.h"
#include "server/accounts/price_books.h"
#include "server/accounts/project_tables.h"
#include "server/accounts/quota_tables.h"
#include "server/accounts/usage_query.h"
#include "server/accounts/usage_stream.h"
#include "server/batches/batch_tables.h"
#include "server/billing/prepaid.h"
#include "server/billing/price_book_reader.h"
#include "server/billing/verify.h"
#include "server/metering/usage_batch.h"
#include "server/metering/usage_tables.h"
#include "server/store/checkpointer.h"
#include "server/store/epoch.h"
#include "server/store/schema.h"
#include "server/store/sqlite_connection.h"
#include "tests/fuzz/account_steps.h"
#include "tests/fuzz/input.h"
#include "wafer_backend/base/calendar.h"
#include "wafer_backend/base/check.h"

namespace waferline::fuzz {
namespace {

using store::Connection;

constexpr int64_t kEpoch = 1;
constexpr size_t kMaxSteps = 40;

// Tables without rows, in memory; each run is a transaction on it that is rolled back.
Connection& EmptyStore() {
  static store::Checkpointer* const checkpointer = new store::Checkpointer(":memory:");
  static Connection* const connection = [] {
    auto made = store::ConnectSqlite(":memory:", store::Durability::kProcess, checkpointer,
                                     /*files=*/nullptr);
    WL_CHECK(made.ok() && store::Migrate(**made).ok());
    return made->release();
  }();
  return *connection;
}

class Run : public AccountSteps {
 public:
  Run(Input input, Connection* connection) : AccountSteps(input, connection) {
    WL_CHECK(db_.Begin().ok());
    WL_CHECK(store::StartEpoch(db_, "here", now_us_).value() >= kEpoch);
    WL_CHECK(accounts::AdoptPriceBook(db_, book_, now_us_).ok());
  }
  ~Run() { db_.Rollback(); }

  void All() {
    for (size_t step = 0; step < kMaxSteps && !input_.empty(); ++step) Step();
    CheckLaws();
  }

 private:
  struct Record {
    metering::OpenUsage open;
    metering::EndedUsage end;
    enum { kOpen, kPosted, kWithdrawn } state = kOpen;
  };

  void Step() {
    static constexpr void (Run::*kSteps[])() = {
        &Run::People, &Run::Keys,     &Run::Projects, &Run::Quota,  &Run::Usage,     &Run::Usage,
        &Run::Usage,  &Run::Invoices, &Run::Ask,      &Run::ReadOn, &Run::NewPrices, &Run::Files};
    now_us_ += kMicrosecondsPerHour * input_.Below(32);
    (this->*kSteps[input_.Below(std::size(kSteps))])();
  }

  metering::UsageSubject Subject() {
    metering::UsageSubject subject{.tenant = Name("tenant"),
                                   .project = input_.Byte() < 128 ? "" : Name("project"),
                                   .plan = Plan(),
                                   .model = input_.Byte() < 200 ? "m" : input_.Text(40),
                                   .asked = "default",
                                   .tier = input_.Byte() < 200 ? "default" : "flex",
                                   .endpoint = "/v1/completions",
                                   .request_id = input_.Text(40)};
    return subject;
  }
  Record NewRecord(int64_t ordinal) {
    Record record;
    record.open = {.id = {.epoch = kEpoch, .ordinal = ordinal},
                   .subject = Subject(),
                   .admitted_us = now_us_,
                   .hold_micro = input_.Byte() < 200 ? 0 : 10};
    static constexpr const char* kReasons[] = {"stop", "length", "cancelled", "failed"};
    record.end = {.reason = kReasons[input_.Below(4)],
                  .counts = {.prompt = input_.Number(), .generated = input_.Number()},
                  .compute = {.system_ns = input_.Number(), .microjoules = input_.Number()},
                  .ended_us = now_us_ + kMicrosecondsPerMinute * input_.Number()};
    const auto cached = static_cast<int64_t>(input_.Below(8));
    record.end.counts.cached = std::min(cached, record.end.counts.prompt);
    const auto used = metering::RecordOf(record.open, record.end);
    const auto rated = billing::RateForLedger(book_, used);
    WL_CHECK(rated.ok());
    record.end.charge = rated->cost;
    record.end.prepaid = billing::IsPrepaid(&book_, record.open.subject.plan, now_us_);
    if (rated->transfer) record.end.entries = rated->transfer->entries;
    return record;
  }
  // A server opens a record, then posts or withdraws it; each may be written more than once.
  void Usage() {
    const auto ordinal = static_cast<int64_t>(1 + input_.Below(6));
    const bool is_new = !records_.contains(ordinal);
    if (is_new) records_[ordinal] = NewRecord(ordinal);
    Record& record = records_[ordinal];
    if (is_new && record.open.hold_micro > 0) {
      const bool prepaid = record.end.prepaid;
      record.open.capped = true;
      const absl::Status held = metering::OpenWithHold(db_, record.open, prepaid);
      CheckRefusal(held);
      if (!held.ok()) records_.erase(ordinal);
      return;
    }
    metering::UsageBatch batch;
    const uint8_t how = input_.Byte();
    if (record.state == Record::kOpen && how % 8 == 0) record.state = Record::kWithdrawn;
    if (record.state == Record::kOpen && how % 8 > 2) record.state = Record::kPosted;
    if (record.state == Record::kWithdrawn) batch.Withdraw(record.open);
    if (record.state == Record::kOpen && record.open.hold_micro == 0) batch.Open(record.open);
    if (record.state == Record::kPosted) batch.Post(record.open, record.end);
    using Steps = metering::UsageBatch::Steps;
    const auto last = batch.Write(db_, Steps::kOneByOne, position_);
    WL_CHECK(last.ok() && db_.RunAll(*last).ok());
    position_ += static_cast<int64_t>(batch.posts());
  }

  void Invoices() {
    accounts::InvoiceName name{.tenant = Name("tenant"), .month = MonthOf(now_us_)};
    const uint8_t how = input_.Byte();
    if (how >= 200) {
      const auto parsed = accounts::ParseInvoiceName(input_.Text(40));
      CheckRefusal(parsed.status());
      if (parsed.ok()) name = *parsed;
    }
    switch (how % 6) {
      case 0:
        now_us_ += 40 * kMicrosecondsPerDay;
        return CheckRefusal(accounts::CloseInvoice(db_, book_, name, now_us_).status());
      case 1:
        return CheckRefusal(
            accounts::CreditInvoice(db_, book_, name,
                                    {.id = input_.Text(10),
                                     .invoice = name.Text(),
                                     .tenant = name.tenant,
                                     .amount = Cents(static_cast<int64_t>(input_.Number())),
                                     .reason = input_.Text(20),
                                     .at_us = now_us_})
                .status());
      case 2:
        return CheckRefusal(
            accounts::ExportInvoice(db_, book_, name, accounts::ExportFormat::kFocus).status());
      case 3:
        return CheckRefusal(
            accounts::ExportInvoice(db_, book_, name, accounts::ExportFormat::kCloudEvents)
                .status());
      case 4:
        return CheckRefusal(accounts::ListInvoices(db_, book_).status());
      default:
        CheckRefusal(accounts::FindInvoice(db_, book_, name).status());
    }
  }

  void Ask() {
    accounts::UsageQuery query{.start_us = now_us_ - kMicrosecondsPerDay,
                               .end_us = now_us_ + kMicrosecondsPerHour,
                               .width_us = kMicrosecondsPerHour};
    for (int by = 0; by < accounts::kUsageBys; ++by) {
      const uint8_t how = input_.Byte();
      if (how % 4 == 1) query.group_by.push_back(static_cast<accounts::UsageBy>(by));
      if (how % 8 == 2) query.only[by] = {input_.Text(20), "acme"};
    }
    CheckRefusal(accounts::QueryUsage(db_, query).status());
  }

  // From any cursor, and from the beginning: each posted record once.
  void ReadOn() {
    const auto cursor = accounts::UsageCursor::Parse(input_.Text());
    CheckRefusal(cursor.status());
    if (cursor.ok()) {
      WL_CHECK(accounts::UsageCursor::Parse(cursor->Text())->Text() == cursor->Text());
      CheckRefusal(accounts::ReadUsageStream(db_, {*cursor, {Name()}, now_us_, 3}).status());
    }
    size_t posted = 0, read = 0;
    for (const auto& [ordinal, record] : records_) posted += record.state == Record::kPosted;
    accounts::UsageCursor from;
    for (;;) {
      const auto page = accounts::ReadUsageStream(db_, {from, {}, now_us_, 2});
      WL_CHECK(page.ok());
      read += page->records.size();
      if (page->records.empty()) break;
      from = page->next;
    }
    WL_CHECK(read == posted);
  }

  // The book with some of its bytes altered: it is wrong, would re-price usage, or is used.
  void NewPrices() {
    std::string text = book_.text;
    for (size_t changes = 1 + input_.Below(4); changes > 0; --changes) {
      const size_t at = (input_.Byte() + 256 * input_.Byte()) % (text.size() + 1);
      const std::string more = input_.Text(40);
      text.replace(at, std::min(input_.Below(40), text.size() - at), more);
    }
    auto book = billing::ParsePriceBook("book.yaml", text);
    CheckRefusal(book.status());
    if (!book.ok()) return;
    const absl::Status adopted = accounts::AdoptPriceBook(db_, *book, now_us_);
    CheckRefusal(adopted);
    if (adopted.ok()) book_ = *std::move(book);
  }

  void Files() {
    const batches::File file{
        .key = {.tenant = Name("tenant"), .id = "file-" + std::to_string(input_.Below(4))},
        .name = input_.Text(20),
        .purpose = "batch",
        .created_us = now_us_};
    const std::string content = input_.Text();
    if ((*batches::FindFile(db_, file.key)).has_value()) return;
    WL_CHECK(batches::InsertFile(db_, file, content).ok());
    WL_CHECK(**batches::FileContent(db_, file.key) == content);
    WL_CHECK((*batches::FindFile(db_, file.key))->name == file.name);
    if (input_.Byte() % 2 == 0) WL_CHECK(batches::EraseFile(db_, file.key).ok());
  }

  void CheckLaws() {
    const auto stored = accounts::StoredPriceBook(db_);
    WL_CHECK(stored.ok() && stored->text == book_.text);
    const auto contents = accounts::ReadLedger(db_);
    WL_CHECK(contents.ok());
    const billing::LedgerReport report = billing::VerifyLedger(*stored, *contents);
    for (const std::string& one : report.differences) fprintf(stderr, "%s\n", one.c_str());
    WL_CHECK(report.clean());
    Money sum;
    const std::vector<accounts::Balance> balances = accounts::ReadBalances(db_).value();
    for (const accounts::Balance& one : balances) {
      WL_CHECK(sum.Add(one.amount).ok());
    }
    WL_CHECK(sum.IsZero());
    WL_CHECK(accounts::ListTenants(db_).ok() && accounts::ListKeys(db_).ok());
    WL_CHECK(accounts::ListProjects(db_).ok() && accounts::ListQuotas(db_).ok());
  }

  int64_t position_ = 1;
  std::map<int64_t, Record> records_;
};

}  // namespace
}  // namespace waferline::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  waferline::fuzz::Run({data, size}, &waferline::fuzz::EmptyStore()).All();
  return 0;
}
