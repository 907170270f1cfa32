// --requests FILE of the bench commands: a JSON line for each request.
#pragma once

#include "absl/status/status.h"
#include "client/load/load_run.h"
#include "wafer_backend/base/command_line/arguments.h"

namespace waferline::cli {

Flag RequestLogFlag();
// --html FILE: the run as a page (load_page.h).
Flag HtmlFlag();

// Nothing without the flag.
absl::Status WriteRequestLog(const Arguments& arguments, const load::LoadResult& result);

}  // namespace waferline::cli
