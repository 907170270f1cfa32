#include "client/cli/sim/sim_billing.h"

#include <boost/json.hpp>
#include <cmath>
#include <map>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "client/cli/frame/output.h"
#include "server/billing/invoice.h"
#include "server/billing/price_book_reader.h"
#include "server/billing/usage_export.h"
#include "wafer_backend/base/built_in_files.h"
#include "wafer_backend/base/calendar.h"
#include "wafer_backend/base/files.h"
#include "wafer_backend/base/status.h"

namespace waferline::cli {
namespace {

namespace json = boost::json;
using billing::Invoice;
using billing::InvoiceLine;
using billing::Tier;
using billing::UsageEnd;
using billing::UsageRecord;

constexpr int64_t kNanosecondsPerHour = 3'600'000'000'000;

Tier TierOf(ServiceTier tier) {
  if (tier == ServiceTier::kFlex) return Tier::kFlex;
  return tier == ServiceTier::kPriority ? Tier::kPriority : Tier::kDefault;
}

UsageEnd EndOf(FinishReason reason) {
  switch (reason) {
    case FinishReason::kCancelled:
      return UsageEnd::kCancelled;
    case FinishReason::kDeadline:
      return UsageEnd::kDeadline;
    case FinishReason::kFailed:
      return UsageEnd::kFailed;
    default:
      return UsageEnd::kFinished;
  }
}

// Picodollars an hour of one device. The hardware file's number becomes money here, once, rounded
// to a microdollar.
UnitPrice HourOf(double usd_per_hour, int64_t devices) {
  return UnitPrice::FromPico(
      std::llround(usd_per_hour / static_cast<double>(std::max<int64_t>(1, devices)) * 1e6) *
      1'000'000);
}

// Tenant, model, tier; empty where a line belongs to none.
using BilledGroup = std::tuple<std::string, std::string, std::string>;
struct Sums {
  int64_t requests = 0;
  Money revenue;
  Money cost;
};

class Statement {
 public:
  Statement(const simulator::Report& report, std::string_view plan) : plan_(plan) {
    for (const simulator::DeviceUse& device : report.devices) {
      if (device.devices == 0) continue;
      auto& [usd, count] = prices_[{device.model, device.kind == "wafer"}];
      usd += device.power.usd_per_hour;
      count += device.devices;
      idle_ns_[{device.model, device.kind == "wafer"}] += device.idle_ns;
    }
  }

  absl::Status AddInvoice(const Invoice& invoice) {
    for (const InvoiceLine& line : invoice.lines) {
      const std::string tier = IsOfMonth(line.item) ? "" : std::string(Name(line.tier));
      Sums& sums = groups_[{invoice.tenant, line.model, tier}];
      WL_RETURN_IF_ERROR(sums.revenue.Add(line.amount));
    }
    total_ += invoice.total;
    invoices_.push_back(json::parse(InvoiceText(invoice)));
    return absl::OkStatus();
  }

  absl::Status AddCost(const UsageRecord& record) {
    Sums& sums = groups_[{record.tenant, record.model, std::string(Name(record.served))}];
    ++sums.requests;
    for (const auto& [wafer, ns] :
         {std::pair(true, record.system_ns), std::pair(false, record.accelerator_ns)}) {
      WL_ASSIGN_OR_RETURN(const Money cost, CostOf({record.model, wafer}, ns));
      WL_RETURN_IF_ERROR(sums.cost.Add(cost));
    }
    return absl::OkStatus();
  }

  absl::StatusOr<json::object> ToJson(const std::string& prices, int64_t from_us) {
    Money cost, idle;
    json::array by;
    for (const auto& [group, sums] : groups_) {
      const auto& [tenant, model, tier] = group;
      Money margin = sums.revenue;
      WL_RETURN_IF_ERROR(margin.Subtract(sums.cost));
      WL_RETURN_IF_ERROR(cost.Add(sums.cost));
      by.push_back({{"tenant", tenant},
                    {"model", model},
                    {"tier", tier},
                    {"requests", sums.requests},
                    {"revenue_usd", sums.revenue.Format()},
                    {"cost_usd", sums.cost.Format()},
                    {"margin_usd", margin.Format()}});
    }
    for (const auto& [key, ns] : idle_ns_) {
      WL_ASSIGN_OR_RETURN(const Money part, CostOf(key, ns));
      WL_RETURN_IF_ERROR(idle.Add(part));
    }
    WL_RETURN_IF_ERROR(cost.Add(idle));
    WL_ASSIGN_OR_RETURN(Money margin, Money::FromCents(total_));
    WL_RETURN_IF_ERROR(margin.Subtract(cost));
    return json::object{{"prices", prices},
                        {"plan", plan_},
                        {"from", InstantText(from_us)},
                        {"revenue_usd", FormatCents(total_)},
                        {"cost_usd", cost.Format()},
                        {"idle_cost_usd", idle.Format()},
                        {"margin_usd", margin.Format()},
                        {"by", std::move(by)},
                        {"invoices", std::move(invoices_)}};
  }

 private:
  using Kind = std::pair<std::string, bool>;  // a model's wafers, or its accelerators

  absl::StatusOr<Money> CostOf(const Kind& kind, int64_t ns) const {
    const auto found = prices_.find(kind);
    if (found == prices_.end()) return Money();
    return HourOf(found->second.first, found->second.second).OfParts(ns, kNanosecondsPerHour);
  }

  const std::string plan_;
  std::map<Kind, std::pair<double, int64_t>> prices_;  // of an hour of all, and how many
  std::map<Kind, int64_t> idle_ns_;
  std::map<BilledGroup, Sums> groups_;
  Cents total_;
  json::array invoices_;
};

}  // namespace

void UsageCollector::OnOutcome(const engine::OutcomeInfo& info) {
  const ValidRequest& request = *info.sequence.request;
  const Outcome& outcome = *info.outcome;
  const int64_t ended_ns = (info.sequence.arrival + outcome.times.total()).count();
  records_.push_back({.id = absl::StrCat("1.", info.sequence.ordinal, ".0"),
                      .tenant = request.tenant,
                      .plan = plan_,
                      .model = request.model,
                      .asked = TierOf(request.tier),
                      .served = TierOf(ChargedTier(request.tier, outcome.served)),
                      .end = EndOf(outcome.reason),
                      .admitted_us = from_us_ + info.sequence.arrival.count() / 1000,
                      .ended_us = from_us_ + ended_ns / 1000,
                      .prompt_tokens = outcome.prompt_tokens,
                      .cached_tokens = outcome.cached_tokens,
                      .generated_tokens = outcome.generated_tokens,
                      .system_ns = outcome.compute.wafer_ns,
                      .accelerator_ns = outcome.compute.accelerator_ns,
                      .microjoules = outcome.compute.microjoules});
}

std::vector<Flag> BillingFlags() {
  return {
      TextFlag("prices", "FILE",
               "bill the run by this price book (a name or a path): revenue, cost, margin")
          .Suggest(BuiltInNames("prices")),
      TextFlag("plan", "NAME", "the price book's plan of all tenants; pay as you go if not given")
          .With("prices"),
      TextFlag("bill-from", "INSTANT",
               "the date at which the run begins; that of the first prices if not given")
          .With("prices"),
      TextFlag("usage-events", "FILE", "also write each request's usage as a CloudEvent a line")
          .With("prices"),
      TextFlag("focus", "FILE", "also write what was billed as FOCUS CSV").With("prices")};
}

absl::StatusOr<std::unique_ptr<SimBilling>> SimBilling::Read(const Arguments& arguments) {
  if (!arguments.Has("prices")) return nullptr;
  WL_ASSIGN_OR_RETURN(billing::PriceBook book, billing::LoadPriceBook(arguments.Text("prices")));
  int64_t from_us = book.versions.front().effective_us;
  if (arguments.Has("bill-from")) {
    const absl::StatusOr<int64_t> from = ParseInstant(arguments.Text("bill-from"));
    if (!from.ok()) {
      return UsageError(absl::StrCat("--bill-from: ", std::string(from.status().message())));
    }
    from_us = *from;
  }
  const std::string plan = arguments.Has("plan") ? arguments.Text("plan") : "";
  WL_ASSIGN_OR_RETURN(const billing::PriceVersion* version, book.At(from_us));
  WL_RETURN_IF_ERROR(version->PlanNamed(plan).status());
  std::unique_ptr<SimBilling> billing(new SimBilling(std::move(book), plan, from_us));
  if (arguments.Has("usage-events")) billing->events_path_ = arguments.Text("usage-events");
  if (arguments.Has("focus")) billing->focus_path_ = arguments.Text("focus");
  return billing;
}

absl::Status SimBilling::AddTo(simulator::OfflineResult* run) const {
  std::map<std::pair<std::string, Month>, std::vector<UsageRecord>> months;
  Statement statement(run->raw, plan_);
  for (const UsageRecord& record : collector_.records()) {
    months[{record.tenant, MonthOf(record.ended_us)}].push_back(record);
    WL_RETURN_IF_ERROR(statement.AddCost(record));
  }
  std::string focus = billing::FocusHeader();
  for (const auto& [key, records] : months) {
    WL_ASSIGN_OR_RETURN(const Invoice invoice,
                        DraftInvoice(book_, {key.first, plan_, key.second, records}));
    WL_RETURN_IF_ERROR(statement.AddInvoice(invoice));
    if (!focus_path_.empty()) focus += FocusRowsOf(invoice);
  }
  WL_ASSIGN_OR_RETURN(run->report["billing"], statement.ToJson(book_.name, collector_.from_us()));
  if (!events_path_.empty()) {
    std::string events;
    for (const UsageRecord& record : collector_.records()) events += CloudEventOf(record);
    WL_RETURN_IF_ERROR(WriteFile(events_path_, events));
  }
  if (focus_path_.empty()) return absl::OkStatus();
  for (const UsageRecord& record : collector_.records()) {
    WL_ASSIGN_OR_RETURN(const std::string rows, FocusRowsOf(book_, record));
    focus += rows;
  }
  return WriteFile(focus_path_, focus);
}

void PrintBilling(const json::object& billing) {
  const auto text = [](const json::value& value) { return std::string(value.as_string()); };
  const json::array& by = billing.at("by").as_array();
  // Invoices are whole cents; what each came to is in the table.
  const bool free = std::all_of(by.begin(), by.end(), [&](const json::value& row) {
    return text(row.at("revenue_usd")) == "0.00";
  });
  const std::string billed = text(billing.at("revenue_usd"));
  Print("billed {} USD by {}, cost {} USD, of it idle {}; margin {}\n",
        billed == "0.00" && !free ? "less than 0.01" : billed, text(billing.at("prices")),
        text(billing.at("cost_usd")), text(billing.at("idle_cost_usd")),
        text(billing.at("margin_usd")));
  using Align = Table::Align;
  Table table({"tenant", "model", "tier", "requests", "revenue, $", "cost, $", "margin, $"},
              {Align::kLeft, Align::kLeft, Align::kLeft, Align::kRight});
  for (const json::value& row : by) {
    table.Add({text(row.at("tenant")), text(row.at("model")), text(row.at("tier")),
               absl::StrCat(row.at("requests").as_int64()), text(row.at("revenue_usd")),
               text(row.at("cost_usd")), text(row.at("margin_usd"))});
  }
  table.Print();
}

}  // namespace waferline::cli
