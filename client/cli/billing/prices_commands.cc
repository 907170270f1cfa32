// waferctl prices check and quote: price books, without a server.
#include <fmt/format.h>

#include <boost/json.hpp>
#include <chrono>

#include "absl/strings/str_cat.h"
#include "client/cli/billing/billing_commands.h"
#include "client/cli/frame/output.h"
#include "server/billing/price_book_reader.h"
#include "server/billing/rating.h"
#include "wafer_backend/base/built_in_files.h"
#include "wafer_backend/base/calendar.h"
#include "wafer_backend/base/command_line/arguments.h"
#include "wafer_backend/base/json_text.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"

namespace waferline::cli {
namespace {

namespace json = boost::json;
using billing::Charge;
using billing::ChargeLine;
using billing::ModelPrices;
using billing::PriceBook;
using billing::PriceVersion;
using billing::Tier;
using billing::TokenPrices;

constexpr int64_t kMaxTokens = 1'000'000'000'000;

std::string PerMillion(UnitPrice price) { return price.FormatPerMillion(); }

json::object VersionJson(const PriceVersion& version) {
  json::array models, plans;
  for (const ModelPrices& model : version.models) {
    json::object out{{"name", model.model}, {"source", model.source}};
    if (model.has_tokens) {
      const TokenPrices& prices = model.TokensFor(Tier::kDefault, 0);
      out["input"] = PerMillion(prices.input);
      out["cached_input"] = PerMillion(prices.cached_input);
      out["output"] = PerMillion(prices.output);
    }
    if (model.system_second) out["system_second"] = model.system_second->FormatPerUnit();
    models.push_back(std::move(out));
  }
  for (const billing::Plan& plan : version.plans) plans.emplace_back(plan.name);
  return {{"effective", InstantText(version.effective_us)},
          {"models", std::move(models)},
          {"plans", std::move(plans)}};
}

void PrintVersion(const PriceVersion& version) {
  Print("from {}: {}, {}\n", InstantText(version.effective_us),
        Counted(static_cast<int64_t>(version.models.size()), "model"),
        Counted(static_cast<int64_t>(version.plans.size()), "plan"));
  using Align = Table::Align;
  Table table(
      {"$ a million", "input", "cached", "output", "$ a system-second", "source"},
      {Align::kLeft, Align::kRight, Align::kRight, Align::kRight, Align::kRight, Align::kLeft});
  for (const ModelPrices& model : version.models) {
    std::vector<std::string> row = {model.model, "", "", "", "", model.source};
    if (model.has_tokens) {
      const TokenPrices& prices = model.TokensFor(Tier::kDefault, 0);
      row[1] = PerMillion(prices.input);
      row[2] = PerMillion(prices.cached_input);
      row[3] = PerMillion(prices.output);
    }
    if (model.system_second) row[4] = model.system_second->FormatPerUnit();
    table.Add(std::move(row));
  }
  table.Print();
}

absl::Status RunCheck(const Arguments& arguments) {
  WL_ASSIGN_OR_RETURN(const PriceBook book, billing::LoadPriceBook(arguments.operand(0)));
  if (arguments.json()) {
    json::array versions;
    for (const PriceVersion& version : book.versions) versions.push_back(VersionJson(version));
    PrintText(JsonText(json::object{{"file", book.name}, {"versions", versions}}) + "\n");
    return absl::OkStatus();
  }
  Print("{}: {}, no faults\n", book.name,
        Counted(static_cast<int64_t>(book.versions.size()), "version"));
  for (const PriceVersion& version : book.versions) PrintVersion(version);
  return absl::OkStatus();
}

absl::StatusOr<int64_t> AdmittedAt(const Arguments& arguments) {
  if (!arguments.Has("at")) {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::microseconds>(now).count();
  }
  const absl::StatusOr<int64_t> at = ParseInstant(arguments.Text("at"));
  if (!at.ok()) return UsageError(absl::StrCat("--at: ", std::string(at.status().message())));
  return *at;
}

json::object QuoteJson(const std::string& model, const Charge& charge) {
  json::array lines;
  for (const ChargeLine& line : charge.lines) {
    lines.push_back({{"meter", std::string(Name(line.meter))},
                     {"quantity", line.quantity},
                     {"unit_picodollars", line.price.pico()},
                     {"amount_usd", line.amount.Format()}});
  }
  return {{"model", model},
          {"version", InstantText(charge.version_us)},
          {"lines", std::move(lines)},
          {"total_usd", charge.total.Format()},
          {"exact_picodollars", charge.total.FormatPico()}};
}

void PrintQuote(const std::string& model, const Charge& charge) {
  Print("{}, prices from {}\n", model, InstantText(charge.version_us));
  Table table({"", "tokens", "$ a million", "$"});
  for (const ChargeLine& line : charge.lines) {
    table.Add({std::string(Name(line.meter)), fmt::format("{}", line.quantity),
               PerMillion(line.price), line.amount.Format()});
  }
  table.Add({"total", "", "", charge.total.Format()});
  table.Print();
}

absl::Status RunQuote(const Arguments& arguments) {
  WL_ASSIGN_OR_RETURN(const PriceBook book, billing::LoadPriceBook(arguments.Text("prices")));
  billing::UsageRecord record{.id = "of the quote", .model = arguments.Text("model")};
  WL_ASSIGN_OR_RETURN(record.served, billing::TierNamed(arguments.Text("tier")));
  WL_ASSIGN_OR_RETURN(record.admitted_us, AdmittedAt(arguments));
  record.prompt_tokens = arguments.Integer("prompt");
  record.cached_tokens = arguments.Integer("cached");
  record.generated_tokens = arguments.Integer("output");
  if (record.cached_tokens > record.prompt_tokens) {
    return UsageError("--cached: cached tokens are part of the prompt; at most --prompt");
  }
  WL_ASSIGN_OR_RETURN(const Charge charge, billing::Rate(book, record));
  if (arguments.json()) {
    PrintText(JsonText(QuoteJson(record.model, charge)) + "\n");
  } else {
    PrintQuote(record.model, charge);
  }
  return absl::OkStatus();
}

std::vector<Flag> QuoteFlags() {
  const IntegerRange tokens{0, kMaxTokens};
  return {TextFlag("prices", "FILE", "the price book, a name or a path")
              .Default("demo")
              .Suggest(BuiltInNames("prices")),
          TextFlag("model", "NAME", "the model, as the price book names it").Required(),
          IntegerFlag("prompt", "N", "prompt tokens, cached ones included", tokens).Required(),
          IntegerFlag("cached", "N", "of them found in a cache", tokens).Default(0),
          IntegerFlag("output", "N", "generated tokens", tokens).Required(),
          ChoiceFlag("tier", "TIER", "the tier that serves the request",
                     {"default", "flex", "priority", "batch"})
              .Default("default"),
          TextFlag("at", "INSTANT", "when it is admitted, 2026-06-01T12:00:00Z; now if not given")};
}

}  // namespace

Group PricesGroup() {
  Command check{.words = "prices check",
                .summary = "Check a price book and list its prices",
                .operands = {{"FILE", "a price book: a name of deploy/prices, or a path"}},
                .examples = {"waferctl prices check demo"},
                .run = RunCheck};
  Command quote{
      .words = "prices quote",
      .summary = "What one request costs, to the picodollar",
      .flags = QuoteFlags(),
      .examples = {"waferctl prices quote --model gpt-oss-120b --prompt 1000 --cached 300 "
                   "--output 500"},
      .run = RunQuote};
  return {.name = "prices",
          .summary = "Price books: what tokens cost",
          .commands = {std::move(check), std::move(quote)}};
}

}  // namespace waferline::cli
