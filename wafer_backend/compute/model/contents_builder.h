// Writes the metadata and tensors of a model that does not come from a GGUF file, as such a file
// would have them: what it is given is copied into the contents, whose views stay valid. One
// thread. A key that is set twice keeps its first value.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "wafer_backend/compute/model/gguf.h"

namespace waferline::model {

class ContentsBuilder {
 public:
  explicit ContentsBuilder(ModelContents* contents) : contents_(contents) {}

  void SetUint(std::string_view key, uint64_t value) { Set(key, value); }
  // Rounded to 32 bits, as converters to GGUF write numbers.
  void SetFloat(std::string_view key, double value) {
    Set(key, static_cast<double>(static_cast<float>(value)));
  }
  void SetBool(std::string_view key, bool value) { Set(key, value); }
  void SetString(std::string_view key, std::string value) { Set(key, Keep(std::move(value))); }
  void SetStrings(std::string_view key, std::vector<std::string> values);
  void SetInts(std::string_view key, const std::vector<int32_t>& values);
  void SetFloats(std::string_view key, const std::vector<float>& values);

  // `dims` as in GGUF: the contiguous one first. The bytes must stay where they are.
  void AddTensor(std::string name, kernels::DType dtype, const std::vector<int64_t>& dims,
                 std::span<const std::byte> bytes);
  std::span<const std::byte> KeepBytes(std::string bytes) {
    return std::as_bytes(std::span(contents_->owned.emplace_back(std::move(bytes))));
  }

  ModelContents& contents() { return *contents_; }

 private:
  std::string_view Keep(std::string text) { return contents_->owned.emplace_back(std::move(text)); }
  template <typename Number>
  void SetNumbers(std::string_view key, ValueType type, const std::vector<Number>& values);
  void Set(std::string_view key, MetadataValue value) {
    if (contents_->metadata.Has(key)) return;
    (void)contents_->metadata.Add(Keep(std::string(key)), std::move(value));
  }

  ModelContents* const contents_;
};

}  // namespace waferline::model
