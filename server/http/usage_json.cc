// The usage API's query and page (account_json.h), as OpenAI's reference has them.
#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <boost/url/pct_string_view.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "server/http/account_json.h"
#include "server/money/decimal.h"
#include "server/money/money.h"
#include "server/openai/api_error.h"
#include "wafer_backend/base/name_table.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"

namespace waferline::http {
namespace {

namespace json = boost::json;

constexpr int64_t kSecondUs = 1'000'000;
constexpr int64_t kMaxUnixSeconds = 7'258'118'400;  // the year 2200
constexpr size_t kMaxParameters = 256;
constexpr std::string_view kPage = "page_";

struct Width {
  std::string_view name;
  int64_t seconds;
  int64_t buckets, max_buckets;  // of a page
};
constexpr Width kWidths[] = {{"1m", 60, 60, 1440}, {"1h", 3600, 24, 168}, {"1d", 24 * 3600, 7, 31}};
constexpr Width kCostWidths[] = {{"1d", 24 * 3600, 7, 180}};

// By UsageBy: the parameter that filters, and what group_by calls it.
constexpr std::string_view kFilters[] = {"tenants", "project_ids",   "api_key_ids",
                                         "models",  "service_tiers", "batch"};
constexpr std::string_view kGroups[] = {"tenant", "project_id",   "api_key_id",
                                        "model",  "service_tier", "batch"};
// Of costs: a line item is a model.
constexpr std::string_view kCostGroups[] = {"tenant", "project_id", "api_key_id", "line_item"};

// What differs between the usage and the costs API.
struct Kind {
  std::span<const std::string_view> filters, groups;
  std::span<const Width> widths;  // the last is the default
};
constexpr Kind kUsageKind = {kFilters, kGroups, kWidths};
constexpr Kind kCostKind = {std::span(kFilters).first(3), kCostGroups, kCostWidths};

// As it is, if it has an escape that is none: brackets come written out as often as not.
std::string Decoded(const std::string& text) {
  const auto escaped = boost::urls::make_pct_string_view(text);
  return escaped ? escaped->decode() : text;
}

absl::StatusOr<int64_t> ReadNumber(const std::string& name, const std::string& text, int64_t max) {
  int64_t number = 0;
  if (!absl::SimpleAtoi(text, &number) || number < 0 || number > max) {
    return openai::FieldError(
        name, absl::StrCat("must be an integer from 0 to ", max, ", not '", text, "'"));
  }
  return number;
}

class QueryReader {
 public:
  QueryReader(const Kind& kind, int64_t now_us)
      : kind_(kind), now_us_(now_us), width_(&kind.widths.back()) {}

  absl::Status Take(const std::string& name, const std::string& value) {
    if (name == "batch" && value != "true" && value != "false") {
      return openai::FieldError(name, "must be true or false");
    }
    for (size_t i = 0; i < kind_.filters.size(); ++i) {
      if (name == kind_.filters[i]) return query_.only[i].push_back(value), absl::OkStatus();
    }
    if (name == "group_by") return TakeGroup(value);
    if (name == "bucket_width") return TakeWidth(value);
    if (name == "start_time") return TakeNumber(name, value, kMaxUnixSeconds, &start_);
    if (name == "end_time") return TakeNumber(name, value, kMaxUnixSeconds, &end_);
    if (name == "limit") return TakeNumber(name, value, 1440, &limit_);
    if (name == "page") {
      if (!value.starts_with(kPage)) {
        return openai::FieldError(name, "must be the next_page of an answer");
      }
      return TakeNumber(name, value.substr(kPage.size()), kMaxUnixSeconds, &page_);
    }
    if (name == "user_ids") {
      return openai::FieldError(name, "is not recorded here, so usage cannot be filtered by it");
    }
    return openai::FieldError(
        name, absl::StrCat(
                  "is not known here; known: start_time, end_time, bucket_width, "
                  "group_by, limit, page, ",
                  absl::StrJoin(
                      std::vector<std::string>(kind_.filters.begin(), kind_.filters.end()), ", ")));
  }

  absl::StatusOr<accounts::UsageQuery> Finish() {
    if (!start_) return openai::FieldError("start_time", "is missing: Unix seconds");
    if (end_ && *end_ <= *start_) {
      return openai::FieldError("end_time", "must be after start_time");
    }
    const int64_t buckets = limit_.value_or(width_->buckets);
    if (buckets < 1 || buckets > width_->max_buckets) {
      return openai::FieldError("limit", absl::StrCat("must be from 1 to ", width_->max_buckets,
                                                      " for buckets of ", Absl(width_->name)));
    }
    query_.width_us = width_->seconds * kSecondUs;
    query_.buckets = buckets;
    query_.start_us = page_.value_or(*start_) * kSecondUs;
    query_.end_us = end_ ? *end_ * kSecondUs : now_us_;
    if (query_.end_us <= query_.start_us) query_.end_us = query_.start_us + 1;
    return query_;
  }

 private:
  static absl::Status TakeNumber(const std::string& name, const std::string& text, int64_t max,
                                 std::optional<int64_t>* target) {
    WL_ASSIGN_OR_RETURN(*target, ReadNumber(name, text, max));
    return absl::OkStatus();
  }

  absl::Status TakeGroup(const std::string& value) {
    const auto found = std::find(kind_.groups.begin(), kind_.groups.end(), value);
    if (found == kind_.groups.end()) {
      return openai::FieldError("group_by",
                                NotOneOf(value, {kind_.groups.begin(), kind_.groups.end()}));
    }
    const auto by = static_cast<accounts::UsageBy>(found - kind_.groups.begin());
    auto& all = query_.group_by;
    if (std::find(all.begin(), all.end(), by) == all.end()) all.push_back(by);
    return absl::OkStatus();
  }

  absl::Status TakeWidth(const std::string& value) {
    std::vector<std::string_view> names;
    for (const Width& width : kind_.widths) {
      if (value == width.name) return width_ = &width, absl::OkStatus();
      names.push_back(width.name);
    }
    return openai::FieldError("bucket_width", NotOneOf(value, names));
  }

  const Kind& kind_;
  const int64_t now_us_;
  accounts::UsageQuery query_;
  const Width* width_;
  std::optional<int64_t> start_, end_, limit_, page_;
};

// The fields of groups: null where results are not split by them.
void AddGroups(const Kind& kind, const accounts::UsageQuery& query, const accounts::UsageSums& sums,
               json::object* out) {
  for (size_t i = 0; i < kind.groups.size(); ++i) {
    const auto by = static_cast<accounts::UsageBy>(i);
    const bool grouped =
        std::find(query.group_by.begin(), query.group_by.end(), by) != query.group_by.end();
    json::value& value = (*out)[kind.groups[i]] = nullptr;
    if (!grouped) continue;
    if (by == accounts::UsageBy::kBatch) {
      value = sums.by[i] == "true";
    } else {
      value = sums.by[i];
    }
  }
}

std::string ExactCost(const accounts::UsageSums& sums) {
  const auto pico = Money::FromColumns({sums.charge_micro, static_cast<int32_t>(sums.charge_pico)});
  return pico.ok() ? pico->Format() : "";
}

// The API's amount is a number; the exact one is next to it, as text.
json::object CostOf(const accounts::UsageQuery& query, const accounts::UsageSums& sums) {
  const std::string exact = ExactCost(sums);
  double value = 0;
  (void)absl::SimpleAtod(exact, &value);
  json::object out{{"object", "organization.costs.result"},
                   {"amount", json::object{{"value", value}, {"currency", "usd"}}},
                   {"exact_usd", exact},
                   {"user_id", nullptr},
                   {"quantity", nullptr},
                   {"quantity_unit", nullptr}};
  AddGroups(kCostKind, query, sums, &out);
  return out;
}

json::object ResultOf(const accounts::UsageQuery& query, const accounts::UsageSums& sums) {
  json::object out{{"object", "organization.usage.completions.result"},
                   {"input_tokens", sums.prompt},
                   {"input_cached_tokens", sums.cached},
                   {"output_tokens", sums.generated},
                   {"input_audio_tokens", 0},
                   {"output_audio_tokens", 0},
                   {"num_model_requests", sums.requests},
                   {"exact_usd", ExactCost(sums)},
                   {"user_id", nullptr}};
  AddGroups(kUsageKind, query, sums, &out);
  return out;
}

absl::StatusOr<accounts::UsageQuery> ReadQuery(const Kind& kind, std::string_view query,
                                               int64_t now_us) {
  QueryReader reader(kind, now_us);
  const std::vector<std::string> parts = absl::StrSplit(Absl(query), '&', absl::SkipEmpty());
  if (parts.size() > kMaxParameters) {
    return openai::FieldError("query", absl::StrCat("has more than ", kMaxParameters, " values"));
  }
  for (const std::string& part : parts) {
    const size_t sign = std::min(part.find('='), part.size());
    const std::string name = Decoded(part.substr(0, sign));
    const std::string value = Decoded(part.substr(std::min(sign + 1, part.size())));
    WL_RETURN_IF_ERROR(reader.Take(std::string(absl::StripSuffix(name, "[]")), value));
  }
  return reader.Finish();
}

using Result = json::object (*)(const accounts::UsageQuery&, const accounts::UsageSums&);
std::string PageOf(const accounts::UsageQuery& query, const accounts::UsageReport& report,
                   Result result) {
  const std::vector<accounts::UsageBucket>& buckets = report.buckets;
  json::array data;
  for (const accounts::UsageBucket& bucket : buckets) {
    json::array results;
    for (const accounts::UsageSums& sums : bucket.sums) results.push_back(result(query, sums));
    data.push_back(json::object{{"object", "bucket"},
                                {"start_time", bucket.start_us / kSecondUs},
                                {"end_time", bucket.end_us / kSecondUs},
                                {"results", std::move(results)}});
  }
  const int64_t next_us = buckets.empty() ? query.end_us : buckets.back().end_us;
  const bool more = next_us < query.end_us;
  json::object page{{"object", "page"}, {"data", std::move(data)}, {"has_more", more}};
  page["next_page"] =
      more ? json::value(absl::StrCat(Absl(kPage), next_us / kSecondUs)) : json::value();
  if (report.balance) {
    page["prepaid_balance"] =
        json::object{{"left_usd", report.balance->left.Format()},
                     {"held_usd", FormatScaled(report.balance->held_micro, 6, 2)}};
  }
  return json::serialize(page);
}

}  // namespace

absl::StatusOr<accounts::UsageQuery> ReadUsageQuery(std::string_view query, int64_t now_us) {
  return ReadQuery(kUsageKind, query, now_us);
}

absl::StatusOr<accounts::UsageQuery> ReadCostQuery(std::string_view query, int64_t now_us) {
  return ReadQuery(kCostKind, query, now_us);
}

std::string UsageJson(const accounts::UsageQuery& query, const accounts::UsageReport& report) {
  return PageOf(query, report, ResultOf);
}

std::string CostsJson(const accounts::UsageQuery& query, const accounts::UsageReport& report) {
  return PageOf(query, report, CostOf);
}

}  // namespace waferline::http
