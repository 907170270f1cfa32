// Bytes on a link: little-endian numbers, counted arrays, no padding. The reader trusts nothing:
// every count is compared with what is left before anything is reserved, and one bad field makes
// the whole read fail. Plain values, any thread.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <tuple>
#include <type_traits>
#include <vector>

namespace waferline::link {

static_assert(std::endian::native == std::endian::little,
              "numbers are copied as they lie in memory");

template <typename T>
concept WireNumber = (std::is_arithmetic_v<T> && !std::is_same_v<T, bool>) || std::is_enum_v<T>;

// A value whose bytes in memory are its wire form: numbers, and structs of numbers without padding
// that say so (kWireIsMemory).
template <typename T>
concept CopiesAsIs = WireNumber<T> || requires {
  T::kWireIsMemory;
};

class WireWriter {
 public:
  explicit WireWriter(std::vector<uint8_t>* out) : out_(out) {}

  // A struct that names its fields.
  template <typename T>
  void Each(const T& value) {
    std::apply([this](const auto&... field) { ((*this)(field), ...); }, T::Fields(value));
  }

  template <WireNumber T>
  void operator()(const T& value) {
    Append(&value, sizeof(value));
  }
  void operator()(const bool& value) { (*this)(static_cast<uint8_t>(value)); }
  void operator()(const std::string& text) {
    (*this)(static_cast<uint32_t>(text.size()));
    Append(text.data(), text.size());
  }
  template <typename T>
  void operator()(const std::vector<T>& values) {
    (*this)(static_cast<uint32_t>(values.size()));
    if constexpr (CopiesAsIs<T>) {
      Append(values.data(), values.size() * sizeof(T));
    } else {
      for (const T& value : values) Each(value);
    }
  }

 private:
  void Append(const void* data, size_t size) {
    const auto* bytes = static_cast<const uint8_t*>(data);
    out_->insert(out_->end(), bytes, bytes + size);
  }
  std::vector<uint8_t>* out_;
};

class WireReader {
 public:
  explicit WireReader(std::span<const uint8_t> bytes) : left_(bytes) {}

  template <typename T>
  void Each(T& value) {
    std::apply([this](auto&... field) { ((*this)(field), ...); }, T::Fields(value));
  }

  // Everything was read, nothing is left over.
  bool complete() const { return ok_ && left_.empty(); }

  template <WireNumber T>
  void operator()(T& value) {
    Take(&value, sizeof(value));
  }
  void operator()(bool& value) {
    uint8_t byte = 0;
    (*this)(byte);
    ok_ &= byte <= 1;
    value = byte == 1;
  }
  void operator()(std::string& text) {
    text.resize(Count(1));
    Take(text.data(), text.size());
  }
  template <typename T>
  void operator()(std::vector<T>& values) {
    // An element that is not copied as it is takes at least one byte.
    if constexpr (CopiesAsIs<T>) {
      values.resize(Count(sizeof(T)));
      Take(values.data(), values.size() * sizeof(T));
    } else {
      values.resize(Count(T::kMinWireBytes));
      for (T& value : values) {
        if (!ok_) break;
        Each(value);
      }
    }
  }

 private:
  // An array's count, 0 if that many elements cannot be there.
  size_t Count(size_t min_bytes_each) {
    uint32_t count = 0;
    (*this)(count);
    if (static_cast<uint64_t>(count) * min_bytes_each > left_.size()) ok_ = false;
    return ok_ ? count : 0;
  }
  void Take(void* data, size_t size) {
    if (!ok_ || size > left_.size()) {
      ok_ = false;
      return;
    }
    if (size > 0) std::memcpy(data, left_.data(), size);
    left_ = left_.subspan(size);
  }
  std::span<const uint8_t> left_;
  bool ok_ = true;
};

}  // namespace waferline::link
