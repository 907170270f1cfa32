// waferctl usage: what was used, from a server with a database.
#include <boost/json.hpp>
#include <chrono>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/cli/frame/output.h"
#include "client/cli/serving/account_answers.h"
#include "client/cli/serving/server_flags.h"
#include "client/cli/serving/serving_commands.h"
#include "wafer_backend/base/calendar.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"

namespace waferline::cli {
namespace {

namespace json = boost::json;

constexpr int kMaxPages = 1000;

struct Split {
  std::string_view word;  // of --by
  const char* field;      // of the usage API
};
constexpr Split kSplits[] = {{"tenant", "tenant"},
                             {"project", "project_id"},
                             {"key", "api_key_id"},
                             {"model", "model"},
                             {"tier", "service_tier"}};

int64_t NowUs() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::microseconds>(now).count();
}

absl::StatusOr<int64_t> SecondsAt(const Arguments& arguments, const char* flag, int64_t otherwise) {
  if (!arguments.Has(flag)) return otherwise;
  const absl::StatusOr<int64_t> at = ParseInstant(arguments.Text(flag));
  if (at.ok()) return *at / kMicrosecondsPerSecond;
  return UsageError(absl::StrCat("--", flag, ": ", at.status().message()));
}

absl::StatusOr<std::vector<const char*>> FieldsOf(const Arguments& arguments) {
  std::vector<const char*> fields;
  if (!arguments.Has("by")) return fields;
  const std::vector<std::string> words = absl::StrSplit(arguments.Text("by"), ',');
  for (const std::string& word : words) {
    const auto* const found = std::find_if(std::begin(kSplits), std::end(kSplits),
                                           [&](const Split& one) { return one.word == word; });
    if (found == std::end(kSplits)) {
      return UsageError(
          absl::StrCat("--by: '", word, "' is not one of tenant, project, key, model, tier"));
    }
    if (std::find(fields.begin(), fields.end(), found->field) != fields.end()) {
      return UsageError(absl::StrCat("--by: '", word, "' is given twice"));
    }
    fields.push_back(found->field);
  }
  return fields;
}

// All pages, joined: "data", and "prepaid_balance" if the last has one.
absl::StatusOr<json::object> AskAll(const Arguments& arguments, const std::string& query) {
  json::array all;
  std::string page;
  for (int i = 0; i < kMaxPages; ++i) {
    WL_ASSIGN_OR_RETURN(
        json::object answer,
        AskAccounts(arguments, "GET", "/v1/organization/usage/completions?" + query + page));
    json::value* const data = answer.if_contains("data");
    if (data == nullptr || !data->is_array()) {
      return absl::InternalError("the server's answer has no data");
    }
    for (json::value& bucket : data->get_array()) all.push_back(std::move(bucket));
    const std::string next = CellOf(answer, "next_page");
    if (next.empty()) {
      json::object joined{{"data", std::move(all)}};
      if (const json::value* const balance = answer.if_contains("prepaid_balance")) {
        joined["prepaid_balance"] = *balance;
      }
      return joined;
    }
    page = "&page=" + next;
  }
  return absl::ResourceExhaustedError("more than 1000 pages: ask for a shorter time");
}

void PrintUsage(const json::array& buckets, const std::vector<const char*>& fields) {
  const std::vector<const char*> sums = {"num_model_requests", "input_tokens",
                                         "input_cached_tokens", "output_tokens", "exact_usd"};
  std::vector<std::string> names = {"from"};
  names.insert(names.end(), fields.begin(), fields.end());
  for (const char* name : {"requests", "input", "cached", "output", "usd"})
    names.emplace_back(name);
  Table table(names);
  for (const json::value& bucket : buckets) {
    if (!bucket.is_object()) continue;
    const json::value* const results = bucket.get_object().if_contains("results");
    const json::value* const start = bucket.get_object().if_contains("start_time");
    if (results == nullptr || !results->is_array() || start == nullptr || !start->is_int64()) {
      continue;
    }
    for (const json::value& result : results->get_array()) {
      if (!result.is_object()) continue;
      std::vector<std::string> row = {InstantText(start->get_int64() * kMicrosecondsPerSecond)};
      for (const char* field : fields) row.push_back(CellOf(result.get_object(), field));
      for (const char* field : sums) row.push_back(CellOf(result.get_object(), field));
      table.Add(std::move(row));
    }
  }
  table.Print(0);
}

absl::Status ShowUsage(const Arguments& arguments) {
  const int64_t now_us = NowUs();
  const int64_t month_began = MonthOf(now_us).begin_us() / kMicrosecondsPerSecond;
  WL_ASSIGN_OR_RETURN(const int64_t from, SecondsAt(arguments, "from", month_began));
  WL_ASSIGN_OR_RETURN(const int64_t to,
                      SecondsAt(arguments, "to", now_us / kMicrosecondsPerSecond + 1));
  if (from >= to) {
    const auto shown = [&](const char* flag, int64_t seconds) {
      return absl::StrCat("--", flag, " ", InstantText(seconds * kMicrosecondsPerSecond),
                          arguments.Has(flag) ? "" : " (not given)");
    };
    return UsageError(absl::StrCat(shown("from", from), " must be before ", shown("to", to)));
  }
  WL_ASSIGN_OR_RETURN(const std::vector<const char*> fields, FieldsOf(arguments));
  const std::string& width = arguments.Text("bucket");
  std::string query = absl::StrCat("start_time=", from, "&end_time=", to, "&bucket_width=",
                                   width == "day"    ? "1d"
                                   : width == "hour" ? "1h"
                                                     : "1m");
  for (const char* field : fields) absl::StrAppend(&query, "&group_by=", field);
  for (const char* flag : {"tenant", "model"}) {
    if (arguments.Has(flag)) {
      absl::StrAppend(&query, "&", flag, "s=", Escaped(arguments.Text(flag)));
    }
  }
  return Report(arguments, AskAll(arguments, query), [&](const json::object& usage) {
    PrintUsage(usage.at("data").get_array(), fields);
    const json::value* const balance = usage.if_contains("prepaid_balance");
    if (balance == nullptr || !balance->is_object()) return;
    Print("prepaid balance: {} USD left, {} held by requests in flight\n",
          CellOf(balance->get_object(), "left_usd"), CellOf(balance->get_object(), "held_usd"));
  });
}

}  // namespace

Command UsageCommand() {
  Command command{
      .words = "usage",
      .summary = "What was used: requests, tokens and what they cost by time, and by what is asked",
      .flags = HttpServerFlags(),
      .examples = {"waferctl usage --from 2026-06-01 --to 2026-07-01 --by tenant,model",
                   "waferctl usage --bucket hour --tenant acme --json"},
      .run = ShowUsage};
  command.flags.insert(
      command.flags.end(),
      {TextFlag("from", "INSTANT", "2026-06-01 or 2026-06-01T12:00:00Z; this month if not given"),
       TextFlag("to", "INSTANT", "not included; now if not given"),
       ChoiceFlag("bucket", "WIDTH", "sums of a day, an hour or a minute of UTC",
                  {"day", "hour", "minute"})
           .Default("day"),
       TextFlag("by", "LIST", "split by any of tenant, project, key, model, tier: tenant,model"),
       TextFlag("tenant", "NAME", "only this tenant's"), TextFlag("model", "NAME", "only of it")});
  return command;
}

}  // namespace waferline::cli
