#include "wafer_backend/compute/model/metadata.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"

namespace waferline::model {
namespace {

struct TypeFacts {
  std::string_view name;
  size_t size;
};

constexpr std::array<TypeFacts, 13> kTypes = {{{"u8", 1},
                                               {"i8", 1},
                                               {"u16", 2},
                                               {"i16", 2},
                                               {"u32", 4},
                                               {"i32", 4},
                                               {"f32", 4},
                                               {"bool", 1},
                                               {"string", 0},
                                               {"array", 0},
                                               {"u64", 8},
                                               {"i64", 8},
                                               {"f64", 8}}};

absl::Status WrongType(std::string_view key, const MetadataValue& value, std::string_view wanted) {
  return absl::InvalidArgumentError(absl::StrCat("metadata key ", Quoted(key), " is ",
                                                 TypeName(value), ", expected ", Absl(wanted)));
}

template <typename T>
std::vector<T> CopyOf(const MetadataArray& array) {
  std::vector<T> values(array.count);
  if (!values.empty()) std::memcpy(values.data(), array.bytes.data(), array.bytes.size());
  return values;
}

// The getter's answer, or `otherwise` where it says that the key is missing.
template <typename T>
absl::StatusOr<T> Or(absl::StatusOr<T> value, T otherwise) {
  if (absl::IsNotFound(value.status())) return otherwise;
  return value;
}

}  // namespace

size_t FixedSize(ValueType type) {
  const auto number = static_cast<uint32_t>(type);
  return number < kTypes.size() ? kTypes[number].size : 0;
}

std::string_view Name(ValueType type) {
  const auto number = static_cast<uint32_t>(type);
  return number < kTypes.size() ? kTypes[number].name : "unknown";
}

std::string Quoted(std::string_view name) {
  constexpr size_t kLongest = 80;
  const bool cut = name.size() > kLongest;
  return absl::StrCat("\"", absl::CHexEscape(Absl(name.substr(0, kLongest))), cut ? "..." : "",
                      "\"");
}

std::string TypeName(const MetadataValue& value) {
  struct Visitor {
    std::string operator()(uint64_t) const { return "an integer"; }
    std::string operator()(int64_t) const { return "a negative integer"; }
    std::string operator()(double) const { return "a float"; }
    std::string operator()(bool) const { return "a bool"; }
    std::string operator()(std::string_view) const { return "a string"; }
    std::string operator()(const MetadataArray& array) const {
      return absl::StrCat("an array of ", Absl(Name(array.element)));
    }
  };
  return std::visit(Visitor(), value);
}

bool MetadataArray::operator==(const MetadataArray& other) const {
  return element == other.element && count == other.count && strings == other.strings &&
         std::equal(bytes.begin(), bytes.end(), other.bytes.begin(), other.bytes.end());
}

absl::Status Metadata::Add(std::string_view key, MetadataValue value) {
  if (!index_.emplace(key, entries_.size()).second) {
    return absl::InvalidArgumentError(
        absl::StrCat("metadata key ", Quoted(key), " occurs more than once"));
  }
  entries_.push_back({key, std::move(value)});
  return absl::OkStatus();
}

const MetadataValue* Metadata::Get(std::string_view key) const {
  const auto found = index_.find(key);
  return found == index_.end() ? nullptr : &entries_[found->second].value;
}

absl::StatusOr<const MetadataValue*> Metadata::Find(std::string_view key) const {
  if (const MetadataValue* value = Get(key)) return value;
  return absl::NotFoundError(absl::StrCat("metadata key ", Quoted(key), " is missing"));
}

absl::StatusOr<uint64_t> Metadata::Uint(std::string_view key) const {
  WL_ASSIGN_OR_RETURN(const MetadataValue* value, Find(key));
  if (const auto* number = std::get_if<uint64_t>(value)) return *number;
  return WrongType(key, *value, "an integer that is not negative");
}

absl::StatusOr<double> Metadata::Float(std::string_view key) const {
  WL_ASSIGN_OR_RETURN(const MetadataValue* value, Find(key));
  const auto* number = std::get_if<double>(value);
  if (number == nullptr) return WrongType(key, *value, "a float");
  if (!std::isfinite(*number)) {
    return absl::InvalidArgumentError(
        absl::StrCat("metadata key ", Quoted(key), " is not a finite number"));
  }
  return *number;
}

absl::StatusOr<bool> Metadata::Bool(std::string_view key) const {
  WL_ASSIGN_OR_RETURN(const MetadataValue* value, Find(key));
  if (const auto* flag = std::get_if<bool>(value)) return *flag;
  return WrongType(key, *value, "a bool");
}

absl::StatusOr<std::string_view> Metadata::String(std::string_view key) const {
  WL_ASSIGN_OR_RETURN(const MetadataValue* value, Find(key));
  if (const auto* text = std::get_if<std::string_view>(value)) return *text;
  return WrongType(key, *value, "a string");
}

absl::StatusOr<std::span<const std::string_view>> Metadata::Strings(std::string_view key) const {
  WL_ASSIGN_OR_RETURN(const MetadataValue* value, Find(key));
  const auto* array = std::get_if<MetadataArray>(value);
  if (array == nullptr || array->element != ValueType::kString) {
    return WrongType(key, *value, "an array of strings");
  }
  return std::span<const std::string_view>(array->strings);
}

absl::StatusOr<std::vector<float>> Metadata::Floats(std::string_view key) const {
  WL_ASSIGN_OR_RETURN(const MetadataValue* value, Find(key));
  const auto* array = std::get_if<MetadataArray>(value);
  if (array == nullptr || array->element != ValueType::kFloat32) {
    return WrongType(key, *value, "an array of f32");
  }
  return CopyOf<float>(*array);
}

absl::StatusOr<std::vector<int32_t>> Metadata::Ints(std::string_view key) const {
  WL_ASSIGN_OR_RETURN(const MetadataValue* value, Find(key));
  const auto* array = std::get_if<MetadataArray>(value);
  if (array == nullptr ||
      (array->element != ValueType::kInt32 && array->element != ValueType::kUint32)) {
    return WrongType(key, *value, "an array of i32");
  }
  return CopyOf<int32_t>(*array);
}

absl::StatusOr<std::vector<bool>> Metadata::Bools(std::string_view key) const {
  WL_ASSIGN_OR_RETURN(const MetadataValue* value, Find(key));
  const auto* array = std::get_if<MetadataArray>(value);
  if (array == nullptr || array->element != ValueType::kBool) {
    return WrongType(key, *value, "an array of bool");
  }
  std::vector<bool> flags;
  for (const std::byte flag : array->bytes) flags.push_back(flag != std::byte{0});
  return flags;
}

absl::StatusOr<uint64_t> Metadata::UintOr(std::string_view key, uint64_t otherwise) const {
  return Or(Uint(key), otherwise);
}
absl::StatusOr<double> Metadata::FloatOr(std::string_view key, double otherwise) const {
  return Or(Float(key), otherwise);
}
absl::StatusOr<bool> Metadata::BoolOr(std::string_view key, bool otherwise) const {
  return Or(Bool(key), otherwise);
}
absl::StatusOr<std::string_view> Metadata::StringOr(std::string_view key,
                                                    std::string_view otherwise) const {
  return Or(String(key), otherwise);
}

}  // namespace waferline::model
