#include "client/cli/serving/request_log.h"

#include <boost/json.hpp>
#include <string>

#include "client/load/load_report.h"
#include "wafer_backend/base/files.h"
#include "wafer_backend/base/json_text.h"

namespace waferline::cli {

Flag RequestLogFlag() { return OutputFlag("requests", "also write a JSON line for each request"); }

Flag HtmlFlag() {
  return OutputFlag("html", "also write the run as one page of HTML, with its distributions");
}

absl::Status WriteRequestLog(const Arguments& arguments, const load::LoadResult& result) {
  if (!arguments.Has("requests")) return absl::OkStatus();
  std::string text;
  for (const load::RequestRecord& record : result.records) {
    text += JsonText(load::ToJson(record)) + "\n";
  }
  return WriteFile(arguments.Text("requests"), text);
}

}  // namespace waferline::cli
