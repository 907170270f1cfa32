#include "wafer_backend/compute/model/contents_builder.h"

#include "wafer_backend/base/check.h"

namespace waferline::model {

void ContentsBuilder::SetStrings(std::string_view key, std::vector<std::string> values) {
  // One owned string for all of them: a vocabulary has many.
  std::string all;
  for (const std::string& value : values) all += value;
  const std::string_view kept = Keep(std::move(all));
  MetadataArray array{.element = ValueType::kString, .count = values.size()};
  size_t begin = 0;
  for (const std::string& value : values) {
    array.strings.push_back(kept.substr(begin, value.size()));
    begin += value.size();
  }
  Set(key, std::move(array));
}

template <typename Number>
void ContentsBuilder::SetNumbers(std::string_view key, ValueType type,
                                 const std::vector<Number>& values) {
  const std::string_view kept =
      Keep({reinterpret_cast<const char*>(values.data()), values.size() * sizeof(Number)});
  Set(key, MetadataArray{
               .element = type, .count = values.size(), .bytes = std::as_bytes(std::span(kept))});
}

void ContentsBuilder::SetInts(std::string_view key, const std::vector<int32_t>& values) {
  SetNumbers(key, ValueType::kInt32, values);
}

void ContentsBuilder::SetFloats(std::string_view key, const std::vector<float>& values) {
  SetNumbers(key, ValueType::kFloat32, values);
}

void ContentsBuilder::AddTensor(std::string name, kernels::DType dtype,
                                const std::vector<int64_t>& dims,
                                std::span<const std::byte> bytes) {
  GgufTensor tensor{.name = Keep(std::move(name)),
                    .gguf_type = static_cast<uint32_t>(dtype),
                    .dtype = dtype,
                    .rank = static_cast<int>(dims.size()),
                    .bytes = bytes};
  WL_CHECK(dims.size() <= tensor.dims.size());
  std::copy(dims.begin(), dims.end(), tensor.dims.begin());
  contents_->tensors.push_back(tensor);
}

}  // namespace waferline::model
