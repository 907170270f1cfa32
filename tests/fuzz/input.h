// The bytes of a fuzzer's run, taken as the decisions that a recipe needs.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <span>
#include <string>
#include <vector>

namespace waferline::fuzz {

// The bytes of a run, one after the other; zeros when they are over.
class Input {
 public:
  Input(const uint8_t* data, size_t size) : rest_(data, size) {}
  bool empty() const { return rest_.empty(); }
  uint8_t Byte() {
    if (rest_.empty()) return 0;
    const uint8_t byte = rest_[0];
    rest_ = rest_.subspan(1);
    return byte;
  }
  size_t Below(size_t n) { return n == 0 ? 0 : Byte() % n; }
  // Mostly small.
  uint32_t Number() {
    static constexpr uint32_t kLarge[] = {63,     64,         65,         255,       256,
                                          0xffff, 0x7fffffff, 0x80000000, 0xffffffff};
    const uint8_t byte = Byte();
    return byte < 224 ? byte % 40 : kLarge[byte % std::size(kLarge)];
  }
  // At most so many bytes, as the next one says.
  std::string Text(size_t max_bytes = 255) {
    const std::vector<uint8_t> bytes = Bytes(std::min<size_t>(Byte(), max_bytes));
    return {bytes.begin(), bytes.end()};
  }
  std::vector<uint8_t> Bytes(size_t count) {
    count = std::min(count, rest_.size());
    std::vector<uint8_t> bytes(rest_.begin(), rest_.begin() + static_cast<ptrdiff_t>(count));
    rest_ = rest_.subspan(count);
    return bytes;
  }

 private:
  std::span<const uint8_t> rest_;
};

}  // namespace waferline::fuzz
