// Writes a model file anew with its matrices in another type, rounded in the simplest way:
//
//   requantise IN.gguf TYPE OUT.gguf     TYPE: F32, Q8_0, Q4_K and every other that the kernels run
//
// To F32 it changes no number: a file that says what another one's weights are.
#include <cstdio>
#include <string>
#include <variant>
#include <vector>

#include "tests/support/gguf_writer.h"
#include "tests/support/quantize.h"
#include "wafer_backend/compute/kernels/dequantize.h"
#include "wafer_backend/compute/kernels/quant_traits.h"
#include "wafer_backend/compute/model/gguf.h"

namespace waferline::bench {
namespace {

using kernels::DType;

void CopyArray(const std::string& key, const model::MetadataArray& array, test::GgufWriter* out) {
  if (array.element == model::ValueType::kString) {
    out->SetStrings(key, {array.strings.begin(), array.strings.end()});
    return;
  }
  std::string bytes;
  const auto put = [&](uint64_t value, int size) {
    for (int i = 0; i < size; ++i) bytes += static_cast<char>(value >> 8 * i);
  };
  put(static_cast<uint64_t>(array.element), 4);
  put(array.count, 8);
  bytes.append(reinterpret_cast<const char*>(array.bytes.data()), array.bytes.size());
  out->SetRaw(key, static_cast<uint32_t>(model::ValueType::kArray), bytes);
}

void CopyMetadata(const model::Metadata& metadata, test::GgufWriter* out) {
  for (const auto& entry : metadata.entries()) {
    const std::string key(entry.key);
    if (key == "general.file_type" || key == "general.alignment") continue;
    if (const auto* number = std::get_if<uint64_t>(&entry.value)) {
      out->SetUint(key, static_cast<uint32_t>(*number));
    } else if (const auto* fraction = std::get_if<double>(&entry.value)) {
      out->SetFloat(key, static_cast<float>(*fraction));
    } else if (const auto* flag = std::get_if<bool>(&entry.value)) {
      out->SetBool(key, *flag);
    } else if (const auto* text = std::get_if<std::string_view>(&entry.value)) {
      out->SetString(key, *text);
    } else if (const auto* array = std::get_if<model::MetadataArray>(&entry.value)) {
      CopyArray(key, *array, out);
    }
  }
}

void CopyTensor(const model::GgufTensor& tensor, DType dtype, test::GgufWriter* out) {
  const std::vector<uint64_t> dims(tensor.dims.begin(), tensor.dims.begin() + tensor.rank);
  std::string bytes(reinterpret_cast<const char*>(tensor.bytes.data()), tensor.bytes.size());
  if (tensor.rank == 1 || !tensor.dtype) {
    out->AddTensor(tensor.name, tensor.gguf_type, dims, bytes);
    return;
  }
  std::vector<float> values(static_cast<size_t>(tensor.elements()));
  kernels::Dequantize(*tensor.dtype, bytes.data(), tensor.elements(), values.data());
  out->AddTensor(tensor.name, static_cast<uint32_t>(dtype), dims, test::Quantize(dtype, values));
}

int Run(const std::string& from, const std::string& name, const std::string& to) {
  const auto file = model::GgufFile::Open(from);
  if (!file.ok()) {
    std::fprintf(stderr, "%s\n", file.status().ToString().c_str());
    return 1;
  }
  for (const kernels::QuantTraits& type : kernels::kQuantTraits) {
    if (type.name != name) continue;
    test::GgufWriter out;
    CopyMetadata((*file)->metadata(), &out);
    for (const model::GgufTensor& tensor : (*file)->tensors()) {
      if (tensor.rank > 1 && tensor.cols() % type.block_length != 0) {
        std::fprintf(stderr, "rows of %ld elements cannot be %s\n", tensor.cols(), name.c_str());
        return 2;
      }
      CopyTensor(tensor, type.dtype, &out);
    }
    out.WriteFile(to);
    return 0;
  }
  std::fprintf(stderr, "unknown type \"%s\"; one of", name.c_str());
  for (const kernels::QuantTraits& type : kernels::kQuantTraits) {
    std::fprintf(stderr, " %s", std::string(type.name).c_str());
  }
  std::fputs("\n", stderr);
  return 2;
}

}  // namespace
}  // namespace waferline::bench

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: requantise IN.gguf TYPE OUT.gguf\n");
    return 2;
  }
  return waferline::bench::Run(argv[1], argv[2], argv[3]);
}
