// Reads little-endian values from the front of a block of bytes, never beyond its end. A value over
// bytes that someone else owns; one thread. Errors: InvalidArgument saying what was read, where.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"
#include "wafer_backend/compute/model/metadata.h"

namespace waferline::model {

class ByteReader {
 public:
  explicit ByteReader(std::span<const std::byte> bytes) : bytes_(bytes) {}

  uint64_t position() const { return position_; }
  uint64_t left() const { return bytes_.size() - position_; }

  absl::StatusOr<std::span<const std::byte>> Take(uint64_t count, std::string_view what) {
    if (count > left()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "the file ends within ", Absl(what), " at byte ", position_, ": ", count,
          " bytes are announced, ", left(), " are left; the file is truncated or damaged"));
    }
    const auto taken = bytes_.subspan(position_, count);
    position_ += count;
    return taken;
  }

  template <typename T>
  absl::StatusOr<T> Read(std::string_view what) {
    WL_ASSIGN_OR_RETURN(const auto bytes, Take(sizeof(T), what));
    T value;
    std::memcpy(&value, bytes.data(), sizeof(T));
    return value;
  }

  // A 64-bit length, then that many bytes.
  absl::StatusOr<std::string_view> String(std::string_view what) {
    WL_ASSIGN_OR_RETURN(const uint64_t size, Read<uint64_t>(what));
    WL_ASSIGN_OR_RETURN(const auto bytes, Take(size, what));
    return std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }

  // A metadata value: integers that are not negative are all uint64_t.
  template <typename T>
  absl::StatusOr<MetadataValue> Integer() {
    WL_ASSIGN_OR_RETURN(const T value, Read<T>("a value"));
    if (std::is_signed_v<T> && value < T{0}) return MetadataValue(static_cast<int64_t>(value));
    return MetadataValue(static_cast<uint64_t>(value));
  }

 private:
  std::span<const std::byte> bytes_;
  uint64_t position_ = 0;
};

}  // namespace waferline::model
