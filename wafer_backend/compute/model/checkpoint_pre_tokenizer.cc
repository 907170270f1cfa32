#include "wafer_backend/compute/model/checkpoint_pre_tokenizer.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"
#include "wafer_backend/compute/model/metadata.h"
#include "wafer_backend/compute/model/pre_tokenizer_table.h"

namespace waferline::model {
namespace {

namespace json = boost::json;

constexpr size_t kMaxPattern = 1 << 20;
// ByteLevel with use_regex: GPT-2's own expression (encoder.py).
constexpr std::string_view kGpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

// Adds what a step of the pre-tokenizer cuts by; nothing for one that does not cut.
absl::Status AddStep(const std::string& type, JsonFields& fields,
                     std::vector<std::string>& patterns) {
  if (type == "ByteLevel") {
    bool regex = true;
    fields.Bool("use_regex", &regex);
    if (regex) patterns.emplace_back(kGpt2Pattern);
    return fields.status();
  }
  if (type == "Digits") {
    bool each = false;
    fields.Bool("individual_digits", &each);
    patterns.emplace_back(each ? R"(\p{N})" : R"(\p{N}+)");
    return fields.status();
  }
  if (type != "Split") {
    return absl::UnimplementedError(
        absl::StrCat(fields.PathOf("type"), " is ", Quoted(type),
                     "; ByteLevel, Digits, Split and Sequence are supported"));
  }
  std::string behavior;
  bool invert = false;
  fields.Text("behavior", 64, &behavior);
  fields.Bool("invert", &invert);
  std::string pattern;
  if (const json::object* object = fields.Object("pattern")) {
    JsonFields(*object).Text("Regex", kMaxPattern, &pattern);
  }
  WL_RETURN_IF_ERROR(fields.status());
  // Removed with an inverted pattern keeps the matches, which is the same where they are all.
  if (pattern.empty() ||
      !((behavior == "Isolated" && !invert) || (behavior == "Removed" && invert))) {
    return absl::UnimplementedError(
        absl::StrCat(fields.PathOf("behavior"), ": only a Regex that is isolated is supported"));
  }
  patterns.push_back(std::move(pattern));
  return absl::OkStatus();
}

bool HasSteps(const PreTokenizerRow& row, const std::vector<std::string>& patterns) {
  size_t i = 0;
  for (const CutStep& step : row.steps) {
    const std::string_view published = step.published != nullptr ? step.published : step.pattern;
    if (published.empty()) continue;
    if (i == patterns.size() || patterns[i++] != published) return false;
  }
  return i == patterns.size();
}

// The name of the row that cuts so; if there are several, of one that treats whole words alike.
absl::StatusOr<std::string_view> NameOfSteps(const std::vector<std::string>& patterns, bool nfc,
                                             bool whole_words) {
  const PreTokenizerRow* found = nullptr;
  for (const PreTokenizerRow& row : PreTokenizerRows()) {
    if (row.nfc != nfc || !HasSteps(row, patterns)) continue;
    if (found == nullptr || row.whole_words == whole_words) found = &row;
    if (row.whole_words == whole_words) break;
  }
  if (found != nullptr) return found->name;
  return absl::UnimplementedError(absl::StrCat("pre_tokenizer: no known model cuts texts so",
                                               nfc ? ", after NFC" : "", ": ",
                                               Quoted(absl::StrJoin(patterns, " then "))));
}

}  // namespace

absl::Status ForEachStep(const json::object& object, const char* list, const std::string& path,
                         const EachStep& each) {
  JsonFields fields(object, path);
  std::string type;
  fields.Text("type", 64, &type);
  if (type != "Sequence") return each(type, fields);
  const json::array* items = fields.Array(list, 64);
  WL_RETURN_IF_ERROR(fields.status());
  for (size_t i = 0; items != nullptr && i < items->size(); ++i) {
    const std::string item = absl::StrCat(path, list, "[", i, "].");
    if (!(*items)[i].is_object()) {
      return absl::InvalidArgumentError(absl::StrCat(item, " is not an object"));
    }
    JsonFields inner((*items)[i].get_object(), item);
    inner.Text("type", 64, &type);
    WL_RETURN_IF_ERROR(each(type, inner));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string_view> PreTokenizerOf(JsonFields& tokenizer, bool whole_words) {
  bool nfc = false;
  if (const json::object* normalizer = tokenizer.Object("normalizer")) {
    WL_RETURN_IF_ERROR(
        ForEachStep(*normalizer, "normalizers", "normalizer.",
                    [&nfc](const std::string& type, JsonFields& fields) -> absl::Status {
                      nfc = nfc || type == "NFC";
                      if (type == "NFC") return absl::OkStatus();
                      return absl::UnimplementedError(absl::StrCat(
                          fields.PathOf("type"), " is ", Quoted(type), "; NFC is supported"));
                    }));
  }
  std::vector<std::string> patterns;
  tokenizer.Require({"pre_tokenizer"});
  const json::object* steps = tokenizer.Object("pre_tokenizer");
  WL_RETURN_IF_ERROR(tokenizer.status());
  WL_RETURN_IF_ERROR(ForEachStep(*steps, "pretokenizers", "pre_tokenizer.",
                                 [&patterns](const std::string& type, JsonFields& fields) {
                                   return AddStep(type, fields, patterns);
                                 }));
  return NameOfSteps(patterns, nfc, whole_words);
}

}  // namespace waferline::model
