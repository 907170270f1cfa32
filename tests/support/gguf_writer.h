// Writes GGUF files for tests: little-endian, versions 2 and 3 (which differ in the number only).
// Writes what it is given, also what no reader should accept.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace waferline::test {

class GgufWriter {
 public:
  explicit GgufWriter(uint32_t version = 3, uint32_t alignment = 32);

  GgufWriter& SetUint(std::string_view key, uint32_t value);
  GgufWriter& SetFloat(std::string_view key, float value);
  GgufWriter& SetBool(std::string_view key, bool value);
  GgufWriter& SetString(std::string_view key, std::string_view value);
  GgufWriter& SetStrings(std::string_view key, const std::vector<std::string>& values);
  GgufWriter& SetFloats(std::string_view key, const std::vector<float>& values);
  GgufWriter& SetInts(std::string_view key, const std::vector<int32_t>& values);
  // Any type: the bytes as they stand after the type number.
  GgufWriter& SetRaw(std::string_view key, uint32_t type, std::string_view bytes);
  // Takes an earlier key out again.
  GgufWriter& Erase(std::string_view key);

  // dims as in the file: the contiguous dimension first.
  GgufWriter& AddTensor(std::string_view name, uint32_t gguf_type, std::vector<uint64_t> dims,
                        std::string bytes);
  GgufWriter& EraseTensor(std::string_view name);
  int TensorCount() const { return static_cast<int>(tensors_.size()); }
  // Takes the tensor at `index` out, and adds it to `other` (which may be this one).
  void MoveTensor(int index, GgufWriter& other);

  std::string Bytes() const;
  void WriteFile(const std::string& path) const;  // ends the process with a message if it cannot

 private:
  struct Pair {
    std::string key;
    std::string typed_value;
  };
  struct Tensor {
    std::string name;
    uint32_t type;
    std::vector<uint64_t> dims;
    std::string bytes;
  };
  GgufWriter& Set(std::string_view key, uint32_t type, std::string value);

  uint32_t version_;
  uint32_t alignment_;
  std::vector<Pair> pairs_;
  std::vector<Tensor> tensors_;
};

}  // namespace waferline::test
