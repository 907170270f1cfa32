// The key-value part of a GGUF file. A value; its strings and arrays are views into the file, which
// must outlive it. Any thread once built.
//
// Getters: NotFound if the key is missing, InvalidArgument if it has another type or does not fit;
// both name the key.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace waferline::model {

// Numbers of the GGUF specification (ggml docs/gguf.md, gguf_metadata_value_type).
enum class ValueType : uint32_t {
  kUint8 = 0,
  kInt8 = 1,
  kUint16 = 2,
  kInt16 = 3,
  kUint32 = 4,
  kInt32 = 5,
  kFloat32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9,
  kUint64 = 10,
  kInt64 = 11,
  kFloat64 = 12,
};

// Bytes of a value of fixed size; 0 for strings, arrays and unknown types.
size_t FixedSize(ValueType type);
std::string_view Name(ValueType type);

struct MetadataArray {
  ValueType element = ValueType::kUint8;
  uint64_t count = 0;
  std::span<const std::byte> bytes;       // little-endian, unaligned; empty for strings
  std::vector<std::string_view> strings;  // if element is kString
  bool operator==(const MetadataArray& other) const;
};

using MetadataValue =
    std::variant<uint64_t, int64_t, double, bool, std::string_view, MetadataArray>;

class Metadata {
 public:
  struct Entry {
    std::string_view key;
    MetadataValue value;
  };

  // InvalidArgument if the key is there already.
  absl::Status Add(std::string_view key, MetadataValue value);

  bool Has(std::string_view key) const { return index_.contains(key); }
  const MetadataValue* Get(std::string_view key) const;        // nullptr if it is not there
  std::span<const Entry> entries() const { return entries_; }  // in the order of the file

  // Any integer type, if the value is not negative.
  absl::StatusOr<uint64_t> Uint(std::string_view key) const;
  absl::StatusOr<double> Float(std::string_view key) const;  // any float type, finite
  absl::StatusOr<bool> Bool(std::string_view key) const;
  absl::StatusOr<std::string_view> String(std::string_view key) const;
  absl::StatusOr<std::span<const std::string_view>> Strings(std::string_view key) const;
  absl::StatusOr<std::vector<float>> Floats(std::string_view key) const;  // f32 arrays
  absl::StatusOr<std::vector<int32_t>> Ints(std::string_view key) const;  // i32 or u32 arrays
  absl::StatusOr<std::vector<bool>> Bools(std::string_view key) const;    // arrays of bool

  // The value, or `otherwise` if the key is missing; still an error if it is of another type.
  absl::StatusOr<uint64_t> UintOr(std::string_view key, uint64_t otherwise) const;
  absl::StatusOr<double> FloatOr(std::string_view key, double otherwise) const;
  absl::StatusOr<bool> BoolOr(std::string_view key, bool otherwise) const;
  absl::StatusOr<std::string_view> StringOr(std::string_view key, std::string_view otherwise) const;

 private:
  absl::StatusOr<const MetadataValue*> Find(std::string_view key) const;
  std::vector<Entry> entries_;
  std::unordered_map<std::string_view, size_t> index_;
};

// A name from a file as it may appear in a message: escaped, cut to 80 characters, quoted.
std::string Quoted(std::string_view name);

// "u32", "string", "array of f32", ... for messages and listings.
std::string TypeName(const MetadataValue& value);

}  // namespace waferline::model
