#include "server/batches/batch_input.h"

#include <algorithm>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <unordered_set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/batches/batch.h"
#include "wafer_backend/base/check.h"
#include "wafer_backend/base/json_fields.h"
#include "wafer_backend/base/strings.h"

namespace waferline::batches {
namespace {

namespace json = boost::json;

constexpr size_t kMaxCustomIdBytes = 512;
// As requests themselves may be nested, and their place in the line.
constexpr size_t kMaxDepth = 129;

json::value Parse(std::string_view line, json::error_code* error) {
  return json::parse({line.data(), line.size()}, *error, {}, {.max_depth = kMaxDepth});
}

// What is wrong with a line's fields; its custom_id, if it has one.
absl::Status Check(const json::object& object, std::string_view endpoint, std::string* custom_id) {
  JsonFields fields(object);
  fields.RefuseOthers({"custom_id", "method", "url", "body"});
  std::string method, url;
  fields.Text("custom_id", kMaxCustomIdBytes, custom_id);
  fields.Text("method", kMaxCustomIdBytes, &method);
  fields.Text("url", kMaxCustomIdBytes, &url);
  const json::object* const body = fields.Object("body");
  fields.Require({"custom_id", "method", "url", "body"});
  if (fields.ok() && method != "POST") fields.Fail("method", "must be POST");
  if (fields.ok() && url != endpoint) {
    fields.Fail("url", absl::StrCat("must be the batch's endpoint, ", Absl(endpoint)));
  }
  if (!fields.ok()) return fields.status();
  const json::value* const stream = body->if_contains("stream");
  if (stream != nullptr && *stream != json::value(false) && !stream->is_null()) {
    fields.Fail("body.stream", "must be false: a batch's answers are whole documents");
  }
  return fields.status();
}

class InputReader {
 public:
  InputReader(std::string_view text, std::string_view endpoint)
      : text_(text), endpoint_(endpoint) {}

  void Take(const Line& line) {
    std::string custom_id;
    json::error_code error;
    const json::value value = Parse(text_.substr(line.begin, line.size), &error);
    if (error || !value.is_object()) {
      const std::string why = error ? error.message() : "it is not an object";
      return Fail({line.number, "invalid_json", absl::StrCat("is not a JSON object: ", why), ""});
    }
    const absl::Status status = Check(value.get_object(), endpoint_, &custom_id);
    if (!status.ok()) {
      return Fail({line.number, "invalid_request", std::string(status.message()), custom_id});
    }
    if (!seen_.insert(custom_id).second) {
      return Fail({line.number, "duplicate_custom_id",
                   "custom_id: is the same as an earlier line's", custom_id});
    }
    input.lines.push_back(line);
  }

  Input input;

 private:
  void Fail(Fault fault) {
    fault.message = absl::StrCat("line ", fault.line, ": ", fault.message);
    input.faults.push_back(std::move(fault));
  }

  const std::string_view text_, endpoint_;
  std::unordered_set<std::string> seen_;
};

}  // namespace

absl::StatusOr<Input> ReadInput(std::string_view text, std::string_view endpoint) {
  constexpr std::string_view kMark = "\xef\xbb\xbf";  // a byte-order mark
  InputReader reader(text, endpoint);
  size_t begin = text.starts_with(kMark) ? kMark.size() : 0;
  for (int64_t number = 1; begin < text.size(); ++number) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = text.substr(begin, end - begin);
    if (line.find_first_not_of(" \t\r") != std::string_view::npos) {
      if (reader.input.lines.size() + reader.input.faults.size() >= kMaxLines) {
        return absl::InvalidArgumentError(
            absl::StrCat("the input has more than ", kMaxLines, " lines"));
      }
      reader.Take({.number = number, .begin = begin, .size = line.size()});
    }
    begin = end + 1;
  }
  if (reader.input.lines.empty() && reader.input.faults.empty()) {
    return absl::InvalidArgumentError("the input has no lines");
  }
  return std::move(reader.input);
}

LineRequest ReadLine(std::string_view line) {
  json::error_code error;
  const json::value value = Parse(line, &error);
  WL_CHECK(!error && value.is_object());
  const json::object& object = value.get_object();
  return {.custom_id = std::string(object.at("custom_id").as_string().c_str()),
          .body = json::serialize(object.at("body"))};
}

}  // namespace waferline::batches
