#include "client/cli/serving/account_answers.h"

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <string_view>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "client/cli/frame/output.h"
#include "client/cli/serving/server_flags.h"
#include "client/sdk/token_client.h"
#include "wafer_backend/base/calendar.h"
#include "wafer_backend/base/command_line/stdout_text.h"
#include "wafer_backend/base/json_text.h"
#include "wafer_backend/base/status.h"

namespace waferline::cli {
namespace {

namespace json = boost::json;

std::string TextOf(const json::value& value) {
  if (value.is_null()) return "";
  if (value.is_string()) return value.get_string().c_str();
  if (value.is_bool()) return value.get_bool() ? "yes" : "";
  std::vector<std::string> parts;
  if (value.is_object()) {
    for (const auto& [name, part] : value.get_object()) {
      parts.push_back(absl::StrCat(std::string(name), "=", TextOf(part)));
    }
    return absl::StrJoin(parts, ",");
  }
  if (!value.is_array()) return JsonText(value);
  for (const json::value& part : value.get_array()) parts.push_back(TextOf(part));
  return absl::StrJoin(parts, ",");
}

}  // namespace

absl::StatusOr<json::object> AskAccounts(const Arguments& arguments, const std::string& method,
                                         const std::string& path, const std::string& body) {
  WL_ASSIGN_OR_RETURN(const sdk::Endpoint endpoint, EndpointOf(arguments));
  if (endpoint.protocol != sdk::Endpoint::Protocol::kHttp) {
    return UsageError("--server: commands about accounts use HTTP: give http://HOST:PORT");
  }
  WL_ASSIGN_OR_RETURN(const std::string answer, sdk::AskHttp(endpoint, {method, path, body}));
  boost::system::error_code error;
  json::value value = json::parse(answer, error);
  if (error || !value.is_object()) {
    return absl::InternalError("the server's answer is not a JSON object");
  }
  return std::move(value.get_object());
}

absl::Status Report(const Arguments& arguments, absl::StatusOr<json::object> answer,
                    const std::function<void(const json::object&)>& text) {
  if (!answer.ok()) return answer.status();
  if (arguments.json()) {
    PrintText(JsonText(*answer) + "\n");
  } else {
    text(*answer);
  }
  return absl::OkStatus();
}

std::vector<Flag> WithServer(std::vector<Flag> more) {
  std::vector<Flag> flags = HttpServerFlags();
  flags.insert(flags.end(), more.begin(), more.end());
  return flags;
}

std::string Escaped(const std::string& name) {
  std::string out;
  for (const char c : name) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                       std::string_view("-_.~").find(c) != std::string_view::npos;
    if (plain) {
      out += c;
    } else {
      absl::StrAppendFormat(&out, "%%%02X", static_cast<unsigned char>(c));
    }
  }
  return out;
}

std::string CellOf(const json::object& object, const char* field) {
  const json::value* value = object.if_contains(field);
  if (value == nullptr) return "";
  const bool date = std::string_view(field).ends_with("_at") && value->is_int64();
  if (date) return InstantText(value->get_int64() * kMicrosecondsPerSecond);
  const json::value* exact = std::string_view(field) == "total_usd" && *value == "0.00"
                                 ? object.if_contains("exact_usd")
                                 : nullptr;
  return TextOf(exact != nullptr ? *exact : *value);
}

void PrintList(const json::object& answer, const char* name,
               const std::vector<const char*>& fields) {
  Table table({fields.begin(), fields.end()}, {Table::Align::kLeft});
  const json::value* list = answer.if_contains(name);
  if (list != nullptr && list->is_array()) {
    for (const json::value& entry : list->get_array()) {
      if (!entry.is_object()) continue;
      std::vector<std::string> row;
      for (const char* field : fields) row.push_back(CellOf(entry.get_object(), field));
      table.Add(std::move(row));
    }
  }
  table.Print(0);
}

}  // namespace waferline::cli
