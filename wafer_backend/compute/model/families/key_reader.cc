#include "wafer_backend/compute/model/families/key_reader.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"

namespace waferline::model {
namespace {

// What converters write that no arithmetic depends on.
constexpr std::array<std::string_view, 3> kSaysNothing = {"vocab_size", "tensor_data_layout",
                                                          "rope.scaling.finetuned"};

bool IsNothing(const MetadataValue& value) {
  struct Visitor {
    bool operator()(uint64_t number) const { return number == 0; }
    bool operator()(int64_t number) const { return number == 0; }
    bool operator()(double number) const { return number == 0; }
    bool operator()(bool flag) const { return !flag; }
    bool operator()(std::string_view text) const { return text.empty(); }
    bool operator()(const MetadataArray& array) const { return array.count == 0; }
  };
  return std::visit(Visitor(), value);
}

}  // namespace

KeyReader::KeyReader(const GgufFile& file, std::string_view architecture)
    : file_(file), metadata_(file.metadata()), prefix_(absl::StrCat(Absl(architecture), ".")) {}

std::string KeyReader::Key(std::string_view name) const {
  return absl::StrCat(prefix_, Absl(name));
}

bool KeyReader::Has(std::string_view name) {
  read_.insert(Key(name));
  return metadata_.Has(Key(name));
}

bool KeyReader::IsArray(std::string_view name) const {
  const std::string key = Key(name);
  const auto entries = metadata_.entries();
  return std::ranges::any_of(entries, [&key](const Metadata::Entry& entry) {
    return entry.key == key && std::holds_alternative<MetadataArray>(entry.value);
  });
}

absl::StatusOr<uint64_t> KeyReader::SameOfAllLayers(const std::string& key) const {
  const auto values = metadata_.Ints(key);
  if (!values.ok()) return metadata_.Uint(key);
  if (values->empty() || values->front() < 0) return metadata_.Uint(key);
  const int32_t first = values->front();
  if (std::all_of(values->begin(), values->end(), [first](int32_t v) { return v == first; })) {
    return static_cast<uint64_t>(first);
  }
  return absl::UnimplementedError(absl::StrCat(
      "metadata key ", Quoted(key), " differs from layer to layer, which is not supported"));
}

absl::StatusOr<int64_t> KeyReader::Size(std::string_view name) {
  const std::string key = Key(name);
  read_.insert(key);
  WL_ASSIGN_OR_RETURN(const uint64_t value, SameOfAllLayers(key));
  if (value < 1 || value > static_cast<uint64_t>(kMaxSize)) {
    return absl::InvalidArgumentError(
        absl::StrCat("metadata key ", Quoted(key), " is ", value, ", expected 1 to ", kMaxSize));
  }
  return static_cast<int64_t>(value);
}

absl::StatusOr<int64_t> KeyReader::SizeOr(std::string_view name, int64_t otherwise) {
  if (!Has(name)) return otherwise;
  return Size(name);
}

absl::StatusOr<int64_t> KeyReader::CountOr(std::string_view name, int64_t otherwise) {
  if (!Has(name)) return otherwise;
  WL_ASSIGN_OR_RETURN(const uint64_t value, SameOfAllLayers(Key(name)));
  if (value <= static_cast<uint64_t>(kMaxSize)) return static_cast<int64_t>(value);
  return absl::InvalidArgumentError(absl::StrCat("metadata key ", Quoted(Key(name)), " is ", value,
                                                 ", expected 0 to ", kMaxSize));
}

absl::StatusOr<double> KeyReader::Positive(std::string_view name) {
  const std::string key = Key(name);
  read_.insert(key);
  WL_ASSIGN_OR_RETURN(const double value, metadata_.Float(key));
  if (value > 0) return value;
  return absl::InvalidArgumentError(
      absl::StrCat(key, " is ", value, ", expected a positive number"));
}

absl::StatusOr<double> KeyReader::PositiveOr(std::string_view name, double otherwise) {
  if (!Has(name)) return otherwise;
  return Positive(name);
}

absl::StatusOr<double> KeyReader::NotNegativeOr(std::string_view name, double otherwise) {
  if (!Has(name)) return otherwise;
  WL_ASSIGN_OR_RETURN(const double value, metadata_.Float(Key(name)));
  if (value >= 0) return value;
  return absl::InvalidArgumentError(
      absl::StrCat(Key(name), " is ", value, ", expected a positive number or 0"));
}

absl::StatusOr<std::vector<bool>> KeyReader::Bools(std::string_view name, int64_t count) {
  const std::string key = Key(name);
  read_.insert(key);
  WL_ASSIGN_OR_RETURN(std::vector<bool> flags, metadata_.Bools(key));
  if (static_cast<int64_t>(flags.size()) == count) return flags;
  return absl::InvalidArgumentError(absl::StrCat("metadata key ", Quoted(key), " has ",
                                                 flags.size(), " values, expected ", count));
}

absl::StatusOr<bool> KeyReader::BoolOr(std::string_view name, bool otherwise) {
  read_.insert(Key(name));
  return metadata_.BoolOr(Key(name), otherwise);
}

absl::StatusOr<std::string_view> KeyReader::StringOr(std::string_view name,
                                                     std::string_view otherwise) {
  read_.insert(Key(name));
  return metadata_.StringOr(Key(name), otherwise);
}

absl::StatusOr<std::vector<float>> KeyReader::PositiveTensor(std::string_view name, int64_t size) {
  const GgufTensor* tensor = file_.FindTensor(name);
  if (tensor == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat("tensor ", Quoted(name), " is missing"));
  }
  if (tensor->dtype != kernels::DType::kF32 || tensor->elements() != size) {
    return absl::InvalidArgumentError(absl::StrCat("tensor ", Quoted(name), " is ",
                                                   tensor->TypeName(), " ", tensor->ShapeText(),
                                                   ", expected F32 with ", size, " elements"));
  }
  tensors_read_.insert(tensor->name);
  std::vector<float> values(size);
  std::memcpy(values.data(), tensor->bytes.data(), tensor->bytes.size());
  for (const float value : values) {
    if (!(value > 0) || !std::isfinite(value)) {
      return absl::InvalidArgumentError(
          absl::StrCat("tensor ", Quoted(name), " holds ", value, ", expected positive numbers"));
    }
  }
  return values;
}

absl::Status KeyReader::CheckAllRead() const {
  for (const Metadata::Entry& entry : metadata_.entries()) {
    if (!entry.key.starts_with(prefix_) || read_.contains(std::string(entry.key))) continue;
    const std::string_view name = entry.key.substr(prefix_.size());
    if (IsNothing(entry.value) || std::ranges::find(kSaysNothing, name) != kSaysNothing.end()) {
      continue;
    }
    return absl::UnimplementedError(
        absl::StrCat("metadata key ", Quoted(entry.key),
                     " names a variant of this architecture that is not supported"));
  }
  return absl::OkStatus();
}

}  // namespace waferline::model
