// Writes a small model as Hugging Face's libraries save it: config.json, tokenizer.json,
// tokenizer_config.json and safetensors. What it holds may be changed before it is written, also to
// what no reader should accept.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "wafer_backend/compute/model/gguf.h"

namespace waferline::test {

struct CheckpointTensor {
  std::string name;
  std::string dtype;
  std::vector<int64_t> shape;
  std::string bytes;
};

// With `padding` spaces after the header, as savers align the data.
std::string SafetensorsBytes(std::span<const CheckpointTensor> tensors, size_t padding = 0);

struct CheckpointWriter {
  // The same model as `file`: a llama, qwen2, qwen3 or gemma3 of RandomModel.
  explicit CheckpointWriter(const model::GgufFile& file);

  // In one file, or cut over `files` with an index. The folder must be there.
  void Write(const std::string& folder, int files = 1) const;

  boost::json::object config, tokenizer, tokenizer_config;
  std::vector<CheckpointTensor> tensors;
};

}  // namespace waferline::test
