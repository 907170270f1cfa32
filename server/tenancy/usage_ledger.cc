#include "server/tenancy/usage_ledger.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "wafer_backend/base/json_text.h"

namespace waferline::tenancy {

void UsageLedger::Record(const std::string& tenant, const std::string& model,
                         const Outcome& outcome) {
  MutexLock lock(&mutex_);
  UsageRow& row = rows_[{tenant, model}];
  ++row.requests;
  row.prompt_tokens += outcome.prompt_tokens;
  row.cached_tokens += outcome.cached_tokens;
  row.generated_tokens += outcome.generated_tokens;
  row.decode_time += outcome.times.decode;
}

std::map<UsageLedger::Key, UsageRow> UsageLedger::Rows() const {
  MutexLock lock(&mutex_);
  return rows_;
}

std::string UsageLedger::ToJson() const {
  boost::json::array rows;
  for (const auto& [key, row] : Rows()) {
    rows.push_back({{"tenant", key.first},
                    {"model", key.second},
                    {"requests", row.requests},
                    {"prompt_tokens", row.prompt_tokens},
                    {"cached_tokens", row.cached_tokens},
                    {"generated_tokens", row.generated_tokens},
                    {"emulated_decode_seconds", ToSeconds(row.decode_time)}});
  }
  return JsonText(boost::json::object{{"usage", std::move(rows)}});
}

}  // namespace waferline::tenancy
