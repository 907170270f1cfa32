// waferctl quotas: how much tenants may use of a server with a database.
#include <algorithm>
#include <boost/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "client/cli/frame/output.h"
#include "client/cli/serving/account_answers.h"
#include "client/cli/serving/server_flags.h"
#include "client/cli/serving/serving_commands.h"
#include "wafer_backend/base/json_text.h"
#include "wafer_backend/base/status.h"

namespace waferline::cli {
namespace {

namespace json = boost::json;

constexpr int64_t kMaxCount = int64_t{1} << 50;

struct Limit {
  const char* flag;
  const char* field;  // of /admin/quotas
  bool is_count;
};
constexpr Limit kPrepaid = {"prepaid-usd", "prepaid_usd", false};
constexpr Limit kLimits[] = {{"requests-per-day", "requests_per_day", true},
                             {"tokens-per-minute", "tokens_per_minute", true},
                             {"concurrent-requests", "concurrent_requests", true},
                             {"monthly-soft-usd", "monthly_soft_usd", false},
                             {"monthly-hard-usd", "monthly_hard_usd", false},
                             {"project-shares", "project_shares", false}};

std::vector<const char*> Fields() {
  std::vector<const char*> fields;
  for (const Limit& limit : kLimits) fields.push_back(limit.field);
  fields.push_back(kPrepaid.field);
  return fields;
}

std::vector<Flag> QuotaFlags() {
  const IntegerRange count{1, kMaxCount};
  return {
      TextFlag("tenant", "NAME", "whose").Required(),
      IntegerFlag("requests-per-day", "N", "of each server", count),
      IntegerFlag("tokens-per-minute", "N", "of each server", count),
      IntegerFlag("concurrent-requests", "N", "in flight in each server", count),
      TextFlag("monthly-soft-usd", "USD", "answers say so when it is passed"),
      TextFlag("monthly-hard-usd", "USD", "requests are refused before it is passed"),
      TextFlag("project-shares", "PROJECT=SHARE,...",
               "of these limits, the balance excepted: search=0.25; all shares there are"),
      TextFlag("prepaid-usd", "USD",
               "all that was paid in so far; less than before pays the rest back"),
      TextFlag("remove", "LIMIT,...", "limits to remove, named as these flags: monthly-hard-usd")};
}

absl::Status ListQuotas(const Arguments& arguments) {
  return Report(arguments, AskAccounts(arguments, "GET", "/admin/quotas"), [](const auto& answer) {
    std::vector<const char*> columns = Fields();
    columns.insert(columns.begin(), "tenant");
    PrintList(answer, "quotas", columns);
  });
}

// "search=0.25,web=0.5"
absl::StatusOr<json::object> ReadShares(const std::string& text) {
  json::object shares;
  for (const auto part : absl::StrSplit(text, ',')) {
    const std::pair<std::string, std::string> share = absl::StrSplit(part, absl::MaxSplits('=', 1));
    if (!shares.emplace(share.first, share.second).second) {
      return UsageError(absl::StrCat("--project-shares: '", share.first, "' is given twice"));
    }
  }
  return shares;
}

absl::Status Remove(const std::string& names, json::object* body) {
  const std::vector<std::string> words = absl::StrSplit(names, ',');
  for (const std::string& name : words) {
    const auto* const found = std::find_if(std::begin(kLimits), std::end(kLimits),
                                           [&](const Limit& limit) { return name == limit.flag; });
    if (found == std::end(kLimits)) {
      std::vector<std::string> all;
      for (const Limit& limit : kLimits) all.emplace_back(limit.flag);
      return UsageError(absl::StrCat(
          "--remove: '", name, "' is not one of ", absl::StrJoin(all, ", "),
          name == kPrepaid.flag ? "; --prepaid-usd 0 pays back all that was paid in" : ""));
    }
    if (!body->emplace(found->field, nullptr).second) {
      return UsageError(absl::StrCat("--remove: '", name, "' is given twice, or set as well"));
    }
  }
  return absl::OkStatus();
}

// "requests_per_day 3, prepaid_usd 1.00"
std::string TextOf(const json::object& quota) {
  std::vector<std::string> parts;
  for (const char* field : Fields()) {
    const std::string cell = CellOf(quota, field);
    if (!cell.empty()) parts.push_back(absl::StrCat(field, " ", cell));
  }
  return parts.empty() ? "none" : absl::StrJoin(parts, ", ");
}

absl::Status SetQuota(const Arguments& arguments) {
  const std::string& tenant = arguments.Text("tenant");
  json::object body;
  for (const Limit& limit : kLimits) {
    if (!arguments.Has(limit.flag) || limit.field == std::string("project_shares")) continue;
    if (limit.is_count) {
      body[limit.field] = arguments.Integer(limit.flag);
    } else {
      body[limit.field] = arguments.Text(limit.flag);
    }
  }
  if (arguments.Has(kPrepaid.flag)) body[kPrepaid.field] = arguments.Text(kPrepaid.flag);
  if (arguments.Has("project-shares")) {
    WL_ASSIGN_OR_RETURN(body["project_shares"], ReadShares(arguments.Text("project-shares")));
  }
  if (arguments.Has("remove")) WL_RETURN_IF_ERROR(Remove(arguments.Text("remove"), &body));
  if (body.empty()) return UsageError("there is nothing to change: give a limit, or --remove");
  body["tenant"] = tenant;
  const auto set = AskAccounts(arguments, "POST", "/admin/quotas", JsonText(body));
  if (!set.ok()) return NamedByFlags(set.status(), QuotaFlags());
  return Report(arguments, set, [&](const json::object& quota) {
    Print("set the quota of {}: {}\n", tenant, TextOf(quota));
  });
}

absl::Status RemoveQuota(const Arguments& arguments) {
  const std::string& name = arguments.operand(0);
  return Report(arguments, AskAccounts(arguments, "DELETE", "/admin/quotas/" + Escaped(name)),
                [&](const json::object& quota) {
                  const std::string paid = CellOf(quota, kPrepaid.field);
                  Print("{} has no quota of its own now{}\n", name,
                        paid.empty() ? "" : absl::StrCat("; the ", paid, " USD it paid in stay"));
                });
}

}  // namespace

std::vector<Command> QuotaCommands() {
  return {{.words = "quotas list",
           .summary = "List tenants' limits",
           .flags = HttpServerFlags(),
           .examples = {"waferctl quotas list"},
           .run = ListQuotas},
          {.words = "quotas set",
           .summary = "Change a tenant's limits; what is not given stays as it is",
           .flags = WithServer(QuotaFlags()),
           .examples = {"waferctl quotas set --tenant acme --tokens-per-minute 100000 "
                        "--monthly-hard-usd 250",
                        "waferctl quotas set --tenant acme --remove monthly-hard-usd"},
           .run = SetQuota},
          {.words = "quotas remove",
           .summary = "Remove all of a tenant's limits; what it paid in stays",
           .operands = {{"TENANT", "whose"}},
           .flags = HttpServerFlags(),
           .examples = {"waferctl quotas remove acme"},
           .run = RemoveQuota}};
}

}  // namespace waferline::cli
