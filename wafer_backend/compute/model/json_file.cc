#include "wafer_backend/compute/model/json_file.h"

#include <boost/json/stream_parser.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/files.h"
#include "wafer_backend/base/json_fields.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"

namespace waferline::model {

namespace json = boost::json;

absl::StatusOr<json::object> ParseJsonObject(std::string_view text) {
  json::stream_parser parser;  // at most 32 levels, its default
  boost::system::error_code error;
  const size_t parsed = parser.write(text.data(), text.size(), error);
  if (!error) parser.finish(error);
  if (error) {
    return absl::InvalidArgumentError(
        absl::StrCat("not valid JSON at byte ", parsed, ": ", error.message()));
  }
  json::value value = parser.release();
  if (!value.is_object()) {
    return absl::InvalidArgumentError(
        absl::StrCat("is ", Absl(KindOf(value)), ", expected an object"));
  }
  return std::move(value.get_object());
}

absl::StatusOr<json::object> ReadJsonObject(const std::string& path) {
  constexpr size_t kMaxBytes = size_t{256} << 20;
  WL_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxBytes));
  auto object = ParseJsonObject(text);
  if (object.ok()) return object;
  return absl::Status(object.status().code(), absl::StrCat(path, ": ", object.status().message()));
}

}  // namespace waferline::model
