// What the commands about accounts have in common: asking, and printing lists of JSON objects.
#pragma once

#include <boost/json/object.hpp>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "wafer_backend/base/command_line/arguments.h"
#include "wafer_backend/base/command_line/command.h"

namespace waferline::cli {

// The server's answer; its own error if it refuses. A usage error for --server grpc://.
absl::StatusOr<boost::json::object> AskAccounts(const Arguments& arguments,
                                                const std::string& method, const std::string& path,
                                                const std::string& body = "");

// Prints the answer as it is, or `text` of it.
absl::Status Report(const Arguments& arguments, absl::StatusOr<boost::json::object> answer,
                    const std::function<void(const boost::json::object&)>& text);

// `more`, after what says which server.
std::vector<Flag> WithServer(std::vector<Flag> more);

// A name as a part of a path.
std::string Escaped(const std::string& name);

// A field as people read it: "" for null, a date for fields that end in _at, and for a total_usd
// that was rounded to no cent at all the exact_usd that it was rounded from.
std::string CellOf(const boost::json::object& object, const char* field);

// A table of answer[name], a column a field.
void PrintList(const boost::json::object& answer, const char* name,
               const std::vector<const char*>& fields);

}  // namespace waferline::cli
