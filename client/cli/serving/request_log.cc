#include "client/cli/serving/request_log.h"

#include <boost/json.hpp>
#include <string>

#include "client/load/load_report.h"
#include "wafer_backend/base/files.h"

namespace waferline::cli {

Flag RequestLogFlag() {
  return TextFlag("requests", "FILE", "also write a JSON line for each request");
}

absl::Status WriteRequestLog(const Arguments& arguments, const load::LoadResult& result) {
  if (!arguments.Has("requests")) return absl::OkStatus();
  std::string text;
  for (const load::RequestRecord& record : result.records) {
    text += boost::json::serialize(load::ToJson(record)) + "\n";
  }
  return WriteFile(arguments.Text("requests"), text);
}

}  // namespace waferline::cli
