// Protobuf messages made of a fuzzer's bytes by their description: with the fields of a type, and
// values at their bounds, that no change of a message's bytes would find soon.
#pragma once

#include <google/protobuf/descriptor.h>
#include <google/protobuf/wire_format_lite.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <iterator>
#include <string>

#include "tests/fuzz/input.h"

namespace waferline::fuzz {

class MessageRecipe {
 public:
  explicit MessageRecipe(Input* input) : input_(*input) {}

  // In its wire form. A text may be no UTF-8, of which no message can be parsed.
  std::string Make(const google::protobuf::Descriptor& type, int depth = 0) {
    std::string message;
    if (type.field_count() == 0 || depth > kMaxDepth) return message;
    for (size_t fields = input_.Below(depth == 0 ? 12 : 5); fields > 0; --fields) {
      const auto which = static_cast<int>(input_.Below(static_cast<size_t>(type.field_count())));
      Append(*type.field(which), depth, &message);
    }
    return message;
  }

 private:
  using Wire = google::protobuf::internal::WireFormatLite;
  using Field = google::protobuf::FieldDescriptor;

  static constexpr int kMaxDepth = 4;

  void Append(const Field& field, int depth, std::string* out) {
    const auto type = Wire::WireTypeForFieldType(static_cast<Wire::FieldType>(field.type()));
    AppendVarint(static_cast<uint64_t>(field.number()) << 3 | type, out);
    switch (type) {
      case Wire::WIRETYPE_VARINT:
        return AppendVarint(Integer(), out);
      case Wire::WIRETYPE_FIXED32:
        return AppendFixed(std::bit_cast<uint32_t>(static_cast<float>(Real())), 4, out);
      case Wire::WIRETYPE_FIXED64:
        return AppendFixed(std::bit_cast<uint64_t>(Real()), 8, out);
      default: {
        const bool is_message = field.type() == Field::TYPE_MESSAGE;
        const std::string inner = is_message ? Make(*field.message_type(), depth + 1) : Text();
        AppendVarint(inner.size(), out);
        *out += inner;
      }
    }
  }
  static void AppendVarint(uint64_t value, std::string* out) {
    for (; value >= 0x80; value >>= 7) *out += static_cast<char>(value | 0x80);
    *out += static_cast<char>(value);
  }
  static void AppendFixed(uint64_t value, int bytes, std::string* out) {
    for (; bytes > 0; --bytes, value >>= 8) *out += static_cast<char>(value);
  }

  uint64_t Integer() {
    static constexpr uint64_t kLarge[] = {~uint64_t{0},      uint64_t{1} << 31, uint64_t{1} << 53,
                                          ~uint64_t{0} >> 1, uint64_t{1} << 63, 1'000'000'000};
    const uint8_t byte = input_.Byte();
    return byte < 200 ? byte % 130 : kLarge[byte % std::size(kLarge)];
  }
  double Real() {
    static constexpr double kReals[] = {0,  0.5, 1,    2,    -2,     -0.0, 1.0000001,
                                        -1, 100, -100, 1e30, 1e-300, NAN,  INFINITY};
    return kReals[input_.Below(std::size(kReals))];
  }
  std::string Text() {
    static constexpr const char* kTexts[] = {
        "",           "bytes",          "hello",    "{}",  R"({"type":"object"})",
        "[a-z]{2,4}", "root ::= \"a\"", "\xff\xfe", "f",   "2026-09",
        "acme",       R"({"a": 1})",    "7;8:120",  "all", "auto"};
    const uint8_t which = input_.Byte();
    return which < 180 ? kTexts[which % std::size(kTexts)] : input_.Text(60);
  }

  Input& input_;
};

}  // namespace waferline::fuzz
