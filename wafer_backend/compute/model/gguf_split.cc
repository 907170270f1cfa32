#include "wafer_backend/compute/model/gguf_split.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"
#include "wafer_backend/compute/model/gguf_part.h"

namespace waferline::model {
namespace {

constexpr uint32_t kMaxParts = 4096;
constexpr const char* kNumberKey = "split.no";
constexpr const char* kCountKey = "split.count";
constexpr const char* kTensorsKey = "split.tensors.count";

absl::Status InFile(std::string_view path, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat(Absl(path), ": ", status.message()));
}

absl::StatusOr<GgufPart> OpenPart(const std::string& path, ModelContents& contents) {
  WL_ASSIGN_OR_RETURN(std::unique_ptr<MappedFile> map, MappedFile::Open(path));
  auto part = ReadGguf(map->bytes());
  if (!part.ok()) return InFile(path, part.status());
  // Names and texts are read as long as the model is served.
  size_t start = map->bytes().size();
  for (const GgufTensor& tensor : part->tensors) {
    if (tensor.bytes.empty()) continue;
    start = std::min(start, static_cast<size_t>(tensor.bytes.data() - map->bytes().data()));
  }
  WL_RETURN_IF_ERROR(map->HoldStart(start));
  contents.maps.push_back(std::move(map));
  return part;
}

// Five decimal digits, or nothing.
std::optional<uint32_t> FiveDigits(std::string_view text) {
  uint32_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + static_cast<uint32_t>(c - '0');
  }
  return text.size() == 5 ? std::optional<uint32_t>(value) : std::nullopt;
}

absl::Status CheckKey(const Metadata& metadata, const char* key, uint64_t expected,
                      std::string_view because) {
  WL_ASSIGN_OR_RETURN(const uint64_t value, metadata.Uint(key));
  if (value == expected) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(key, " is ", value, ", expected ", expected, " ", Absl(because)));
}

// Puts the parts of one model together, the first one first.
class Assembler {
 public:
  explicit Assembler(const SplitPath& split) : split_(split) {}

  absl::Status Add(uint32_t number, GgufPart part) {
    WL_RETURN_IF_ERROR(CheckKey(part.metadata, kNumberKey, number - 1, "by the file's name"));
    WL_RETURN_IF_ERROR(CheckKey(part.metadata, kCountKey, split_.count, "by the file's name"));
    if (number == 1) {
      WL_ASSIGN_OR_RETURN(tensors_, part.metadata.Uint(kTensorsKey));
    } else {
      WL_RETURN_IF_ERROR(CheckKey(part.metadata, kTensorsKey, tensors_, "as in part 1"));
    }
    WL_RETURN_IF_ERROR(AddMetadata(part.metadata));
    for (const GgufTensor& tensor : part.tensors) {
      const auto [other, fresh] = part_of_.emplace(tensor.name, number);
      if (!fresh) {
        return absl::InvalidArgumentError(absl::StrCat("tensor ", Quoted(tensor.name),
                                                       " occurs more than once, also in part ",
                                                       other->second));
      }
      whole_.tensors.push_back(tensor);
    }
    return absl::OkStatus();
  }

  absl::StatusOr<GgufPart> Finish() {
    if (whole_.tensors.size() != tensors_) {
      return absl::InvalidArgumentError(absl::StrCat("the ", split_.count, " parts hold ",
                                                     whole_.tensors.size(), " tensors, but ",
                                                     kTensorsKey, " is ", tensors_));
    }
    return std::move(whole_);
  }

 private:
  absl::Status AddMetadata(const Metadata& from) {
    for (const Metadata::Entry& entry : from.entries()) {
      if (entry.key == kNumberKey || entry.key == "general.alignment") continue;  // each its own
      if (const MetadataValue* value = whole_.metadata.Get(entry.key); value == nullptr) {
        WL_RETURN_IF_ERROR(whole_.metadata.Add(entry.key, entry.value));
      } else if (!(*value == entry.value)) {
        return absl::InvalidArgumentError(
            absl::StrCat("metadata key ", Quoted(entry.key), " has another value than in part 1"));
      }
    }
    return absl::OkStatus();
  }

  const SplitPath& split_;
  uint64_t tensors_ = 0;
  std::unordered_map<std::string_view, uint32_t> part_of_;
  GgufPart whole_;
};

absl::StatusOr<ModelContents> OpenAll(const std::string& path, const SplitPath& split) {
  ModelContents contents{.name = path};
  std::vector<GgufPart> parts;
  for (uint32_t number = 1; number <= split.count; ++number) {
    const std::string file = split.PathOf(number);
    auto part = OpenPart(file, contents);
    if (absl::IsNotFound(part.status())) {
      return absl::NotFoundError(
          absl::StrCat("part ", number, " of ", split.count, " of the model is missing: ", file));
    }
    WL_RETURN_IF_ERROR(part.status());
    parts.push_back(*std::move(part));
  }
  contents.format =
      absl::StrCat("GGUF version ", parts.front().version, " in ", split.count, " files");
  WL_ASSIGN_OR_RETURN(GgufPart whole, JoinParts(split, std::move(parts)));
  contents.metadata = std::move(whole.metadata);
  contents.tensors = std::move(whole.tensors);
  return contents;
}

}  // namespace

std::optional<SplitPath> SplitPath::Parse(std::string_view path) {
  constexpr std::string_view kForm = "-00001-of-00001.gguf";
  if (path.size() <= kForm.size()) return std::nullopt;
  const std::string_view end = path.substr(path.size() - kForm.size());
  if (end.front() != '-' || end.substr(6, 4) != "-of-" || end.substr(15) != ".gguf") {
    return std::nullopt;
  }
  const auto number = FiveDigits(end.substr(1, 5));
  const auto count = FiveDigits(end.substr(10, 5));
  if (!number || !count || *number < 1 || *number > *count) return std::nullopt;
  return SplitPath{std::string(path.substr(0, path.size() - kForm.size())), *number, *count};
}

std::string SplitPath::PathOf(uint32_t part) const {
  return absl::StrFormat("%s-%05u-of-%05u.gguf", prefix, part, count);
}

absl::StatusOr<GgufPart> JoinParts(const SplitPath& split, std::vector<GgufPart> parts) {
  Assembler assembler(split);
  for (size_t i = 0; i < parts.size(); ++i) {
    const auto number = static_cast<uint32_t>(i + 1);
    if (absl::Status status = assembler.Add(number, std::move(parts[i])); !status.ok()) {
      return InFile(split.PathOf(number), status);
    }
  }
  auto whole = assembler.Finish();
  if (!whole.ok()) return InFile(split.PathOf(split.number), whole.status());
  return whole;
}

absl::StatusOr<ModelContents> OpenGguf(const std::string& path) {
  const std::optional<SplitPath> split = SplitPath::Parse(path);
  if (split && split->count > kMaxParts) {
    return absl::InvalidArgumentError(absl::StrCat(path, " is one of ", split->count,
                                                   " parts, at most ", kMaxParts, " are allowed"));
  }
  if (split && split->count > 1) return OpenAll(path, *split);
  ModelContents contents{.name = path};
  WL_ASSIGN_OR_RETURN(GgufPart part, OpenPart(path, contents));
  const auto count = part.metadata.UintOr(kCountKey, 1);
  if (!count.ok()) return InFile(path, count.status());
  if (*count > 1) {
    return absl::InvalidArgumentError(absl::StrCat(
        path, " is one of ", *count, " parts (", kCountKey,
        "), and the others cannot be found by its name: expected one like NAME-00001-of-0000",
        *count, ".gguf"));
  }
  contents.format = absl::StrCat("GGUF version ", part.version);
  contents.metadata = std::move(part.metadata);
  contents.tensors = std::move(part.tensors);
  return contents;
}

}  // namespace waferline::model
