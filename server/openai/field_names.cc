#include "server/openai/field_names.h"

#include <string_view>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "wafer_backend/base/field_error.h"

namespace waferline::openai {
namespace {

// Whether `path` is `whole` or a part of it.
bool IsWithin(std::string_view path, std::string_view whole) {
  if (!path.starts_with(whole)) return false;
  return path.size() == whole.size() || path[whole.size()] == '.' || path[whole.size()] == '[';
}

}  // namespace

absl::Status InNamesOf(const FieldNames& names, const absl::Status& status) {
  const std::string field = FieldOf(status);
  if (field.empty()) return status;
  for (const auto& [ours, theirs] : names) {
    if (!IsWithin(field, ours)) continue;
    const std::string renamed = theirs + field.substr(ours.size());
    absl::Status result(status.code(),
                        absl::StrReplaceAll(status.message(), {{absl::StrCat("'", field, "'"),
                                                                absl::StrCat("'", renamed, "'")}}));
    status.ForEachPayload(
        [&](absl::string_view url, const absl::Cord& payload) { result.SetPayload(url, payload); });
    return WithField(std::move(result), renamed);
  }
  return status;
}

}  // namespace waferline::openai
