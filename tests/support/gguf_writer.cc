#include "tests/support/gguf_writer.h"

#include <algorithm>
#include <cstring>
#include <fstream>

#include "wafer_backend/base/check.h"

namespace waferline::test {
namespace {

enum : uint32_t { kUint32 = 4, kInt32 = 5, kFloat32 = 6, kBool = 7, kString = 8, kArray = 9 };

template <typename T>
void Put(std::string& out, T value) {
  char bytes[sizeof(T)];
  std::memcpy(bytes, &value, sizeof(T));
  out.append(bytes, sizeof(T));
}

void PutString(std::string& out, std::string_view text) {
  Put<uint64_t>(out, text.size());
  out.append(text);
}

template <typename T>
std::string Scalar(T value) {
  std::string out;
  Put(out, value);
  return out;
}

template <typename T>
std::string Array(uint32_t element, const std::vector<T>& values) {
  std::string out;
  Put(out, element);
  Put<uint64_t>(out, values.size());
  for (const T& value : values) Put(out, value);
  return out;
}

}  // namespace

GgufWriter::GgufWriter(uint32_t version, uint32_t alignment)
    : version_(version), alignment_(alignment) {
  if (alignment != 32) SetUint("general.alignment", alignment);
}

GgufWriter& GgufWriter::Set(std::string_view key, uint32_t type, std::string value) {
  Pair pair{std::string(key), Scalar(type) + value};
  auto same = std::find_if(pairs_.begin(), pairs_.end(),
                           [&](const Pair& other) { return other.key == key; });
  if (same != pairs_.end()) {
    *same = std::move(pair);
  } else {
    pairs_.push_back(std::move(pair));
  }
  return *this;
}

GgufWriter& GgufWriter::SetUint(std::string_view key, uint32_t value) {
  return Set(key, kUint32, Scalar(value));
}
GgufWriter& GgufWriter::SetFloat(std::string_view key, float value) {
  return Set(key, kFloat32, Scalar(value));
}
GgufWriter& GgufWriter::SetBool(std::string_view key, bool value) {
  return Set(key, kBool, Scalar<uint8_t>(value ? 1 : 0));
}
GgufWriter& GgufWriter::SetString(std::string_view key, std::string_view value) {
  std::string out;
  PutString(out, value);
  return Set(key, kString, std::move(out));
}
GgufWriter& GgufWriter::SetStrings(std::string_view key, const std::vector<std::string>& values) {
  std::string out;
  Put<uint32_t>(out, kString);
  Put<uint64_t>(out, values.size());
  for (const std::string& value : values) PutString(out, value);
  return Set(key, kArray, std::move(out));
}
GgufWriter& GgufWriter::SetFloats(std::string_view key, const std::vector<float>& values) {
  return Set(key, kArray, Array(kFloat32, values));
}
GgufWriter& GgufWriter::SetInts(std::string_view key, const std::vector<int32_t>& values) {
  return Set(key, kArray, Array(kInt32, values));
}
GgufWriter& GgufWriter::SetRaw(std::string_view key, uint32_t type, std::string_view bytes) {
  return Set(key, type, std::string(bytes));
}
GgufWriter& GgufWriter::Erase(std::string_view key) {
  std::erase_if(pairs_, [&](const Pair& pair) { return pair.key == key; });
  return *this;
}

GgufWriter& GgufWriter::AddTensor(std::string_view name, uint32_t gguf_type,
                                  std::vector<uint64_t> dims, std::string bytes) {
  tensors_.push_back({std::string(name), gguf_type, std::move(dims), std::move(bytes)});
  return *this;
}
GgufWriter& GgufWriter::EraseTensor(std::string_view name) {
  std::erase_if(tensors_, [&](const Tensor& tensor) { return tensor.name == name; });
  return *this;
}

void GgufWriter::MoveTensor(int index, GgufWriter& other) {
  Tensor tensor = std::move(tensors_.at(index));
  tensors_.erase(tensors_.begin() + index);
  other.tensors_.push_back(std::move(tensor));
}

std::string GgufWriter::Bytes() const {
  std::string out = "GGUF";
  Put(out, version_);
  Put<uint64_t>(out, tensors_.size());
  Put<uint64_t>(out, pairs_.size());
  for (const Pair& pair : pairs_) {
    PutString(out, pair.key);
    out += pair.typed_value;
  }
  std::string data;
  for (const Tensor& tensor : tensors_) {
    PutString(out, tensor.name);
    Put<uint32_t>(out, static_cast<uint32_t>(tensor.dims.size()));
    for (uint64_t dim : tensor.dims) Put(out, dim);
    Put(out, tensor.type);
    Put<uint64_t>(out, data.size());
    data += tensor.bytes;
    data.resize((data.size() + alignment_ - 1) / alignment_ * alignment_);
  }
  if (!tensors_.empty()) out.resize((out.size() + alignment_ - 1) / alignment_ * alignment_);
  return out + data;
}

void GgufWriter::WriteFile(const std::string& path) const {
  const std::string bytes = Bytes();
  std::ofstream file(path, std::ios::binary);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  file.close();
  WL_CHECK(file.good());
}

}  // namespace waferline::test
