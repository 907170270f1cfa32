// Writes the few kinds of msgpack values that KV events have (github.com/msgpack/msgpack, spec.md),
// each in its shortest form. A value; one thread.
#pragma once

#include <bit>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace waferline::kv_events {

class MsgPack {
 public:
  MsgPack& Nil() { return Byte(0xc0); }
  MsgPack& Unsigned(uint64_t value) {
    if (value < 0x80) return Byte(static_cast<uint8_t>(value));
    if (value <= 0xff) return Byte(0xcc).BigEndian(value, 1);
    if (value <= 0xffff) return Byte(0xcd).BigEndian(value, 2);
    if (value <= 0xffffffff) return Byte(0xce).BigEndian(value, 4);
    return Byte(0xcf).BigEndian(value, 8);
  }
  MsgPack& Double(double value) { return Byte(0xcb).BigEndian(std::bit_cast<uint64_t>(value), 8); }
  MsgPack& Text(std::string_view text) {
    if (text.size() < 32) {
      Byte(static_cast<uint8_t>(0xa0 | text.size()));
    } else if (text.size() <= 0xff) {
      Byte(0xd9).BigEndian(text.size(), 1);
    } else {
      Byte(text.size() <= 0xffff ? 0xda : 0xdb)
          .BigEndian(text.size(), text.size() <= 0xffff ? 2 : 4);
    }
    out_ += text;
    return *this;
  }
  // Begins an array of `size` values, or a map of `size` pairs, which must follow.
  MsgPack& Array(uint64_t size) { return Size(size, 0x90, 0xdc); }
  MsgPack& Map(uint64_t size) { return Size(size, 0x80, 0xde); }

  std::string Release() { return std::exchange(out_, {}); }

 private:
  MsgPack& Size(uint64_t size, uint8_t small, uint8_t large) {
    if (size < 16) return Byte(static_cast<uint8_t>(small | size));
    if (size <= 0xffff) return Byte(large).BigEndian(size, 2);
    return Byte(static_cast<uint8_t>(large + 1)).BigEndian(size, 4);
  }
  MsgPack& Byte(uint8_t byte) {
    out_ += static_cast<char>(byte);
    return *this;
  }
  MsgPack& BigEndian(uint64_t value, int bytes) {
    for (int i = bytes - 1; i >= 0; --i) Byte(static_cast<uint8_t>(value >> (8 * i)));
    return *this;
  }

  std::string out_;
};

}  // namespace waferline::kv_events
