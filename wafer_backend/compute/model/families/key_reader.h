// The metadata of one architecture, "<architecture>.<key>", checked: what a family reads its sizes
// and variants from. It remembers what has been read, so that a key or tensor that no part of the
// family knows can be refused. Lives while one file is read; one thread.
//
// Errors are InvalidArgument and name the key or tensor, what it is and what is allowed.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "wafer_backend/compute/model/gguf.h"

namespace waferline::model {

class KeyReader {
 public:
  // Far above any model; low enough that products of two fit easily into 63 bits.
  static constexpr int64_t kMaxSize = int64_t{1} << 28;

  // `file` must outlive it.
  KeyReader(const GgufFile& file, std::string_view architecture);

  std::string Key(std::string_view name) const;  // with the architecture
  bool Has(std::string_view name);
  bool IsArray(std::string_view name) const;

  // 1 to kMaxSize. An array, one value a layer, counts if all are the same.
  absl::StatusOr<int64_t> Size(std::string_view name);
  absl::StatusOr<int64_t> SizeOr(std::string_view name, int64_t otherwise);
  absl::StatusOr<int64_t> CountOr(std::string_view name, int64_t otherwise);  // 0 to kMaxSize
  absl::StatusOr<double> Positive(std::string_view name);
  absl::StatusOr<double> PositiveOr(std::string_view name, double otherwise);
  absl::StatusOr<double> NotNegativeOr(std::string_view name, double otherwise);
  // One flag a layer. InvalidArgument if there are not `count`.
  absl::StatusOr<std::vector<bool>> Bools(std::string_view name, int64_t count);
  absl::StatusOr<bool> BoolOr(std::string_view name, bool otherwise);
  absl::StatusOr<std::string_view> StringOr(std::string_view name, std::string_view otherwise);

  bool HasTensor(std::string_view name) const { return file_.FindTensor(name) != nullptr; }
  // A whole tensor of `size` positive F32 numbers.
  absl::StatusOr<std::vector<float>> PositiveTensor(std::string_view name, int64_t size);

  // Unimplemented naming the first key of the architecture that has not been read, unless it is
  // zero, false or empty, or known to say nothing about the arithmetic.
  absl::Status CheckAllRead() const;
  // Names of the tensors that have been read.
  const std::unordered_set<std::string_view>& tensors_read() const { return tensors_read_; }
  const GgufFile& file() const { return file_; }

 private:
  absl::StatusOr<uint64_t> SameOfAllLayers(const std::string& key) const;

  const GgufFile& file_;
  const Metadata& metadata_;
  const std::string prefix_;
  std::unordered_set<std::string> read_;
  std::unordered_set<std::string_view> tensors_read_;
};

}  // namespace waferline::model
