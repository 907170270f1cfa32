#include "wafer_backend/base/built_in_files.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "wafer_backend/base/built_in_texts.h"
#include "wafer_backend/base/files.h"
#include "wafer_backend/base/name_table.h"
#include "wafer_backend/base/status.h"

namespace waferline {
namespace {

constexpr size_t kMaxFileBytes = 1 << 20;

bool EndsWith(const std::string& text, std::string_view end) {
  return text.size() > end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

}  // namespace

absl::StatusOr<NamedText> LoadNamedText(std::string_view folder, const std::string& name_or_path) {
  for (const BuiltInFile& file : BuiltInTexts()) {
    if (file.folder == folder && file.name == name_or_path) {
      return NamedText{absl::StrCat("deploy/", std::string(folder), "/", name_or_path, ".yaml"),
                       std::string(file.text)};
    }
  }
  if (name_or_path.find('/') != std::string::npos || EndsWith(name_or_path, ".yaml") ||
      EndsWith(name_or_path, ".json")) {
    WL_ASSIGN_OR_RETURN(std::string text, ReadFile(name_or_path, kMaxFileBytes));
    return NamedText{name_or_path, std::move(text)};
  }
  const std::vector<std::string> names = BuiltInNames(folder);
  return absl::NotFoundError(absl::StrCat(
      "\"", name_or_path, "\" is not a built-in ", std::string(folder), " file (there are: ",
      absl::StrJoin(names, ", "), "; give a path with a slash to read one of your own)",
      DidYouMean(name_or_path, std::vector<std::string_view>(names.begin(), names.end()))));
}

std::vector<std::string> BuiltInNames(std::string_view folder) {
  std::vector<std::string> names;
  for (const BuiltInFile& file : BuiltInTexts()) {
    if (file.folder == folder) names.emplace_back(file.name);
  }
  return names;
}

}  // namespace waferline
