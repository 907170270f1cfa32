#include <boost/json.hpp>

#include "absl/strings/str_cat.h"
#include "server/billing/rating.h"
#include "server/billing/usage_export.h"
#include "wafer_backend/base/calendar.h"

namespace waferline::billing {

std::string CloudEventOf(const UsageRecord& record) {
  namespace json = boost::json;
  const std::string epoch = record.id.substr(0, record.id.find('.'));
  json::object data{{"tenant", record.tenant},
                    {"project", record.project},
                    {"key", record.key},
                    {"plan", record.plan},
                    {"model", record.model},
                    {"tier", std::string(Name(record.served))},
                    {"tier_asked", std::string(Name(record.asked))},
                    {"end", std::string(Name(record.end))},
                    {"admitted", InstantText(record.admitted_us)},
                    {"prompt_tokens", record.prompt_tokens},
                    {"cached_tokens", record.cached_tokens},
                    {"generated_tokens", record.generated_tokens},
                    {"system_ns", record.system_ns},
                    {"accelerator_ns", record.accelerator_ns},
                    {"microjoules", record.microjoules}};
  return json::serialize(json::object{{"specversion", "1.0"},
                                      {"id", record.id},
                                      {"source", absl::StrCat("waferline/epoch/", epoch)},
                                      {"type", "waferline.usage"},
                                      {"subject", NameOfTenant(record.tenant)},
                                      {"time", InstantText(record.ended_us)},
                                      {"datacontenttype", "application/json"},
                                      {"data", std::move(data)}}) +
         "\n";
}

}  // namespace waferline::billing
