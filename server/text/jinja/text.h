// Text that remembers where it comes from: from the template, or from the conversation. Only the
// template's part may name control tokens; what a user wrote stays text however the template cuts
// and joins it. A value; O(runs) memory besides the bytes.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace waferline::jinja {

class Text {
 public:
  enum class Origin : unsigned char { kTemplate, kContent };
  struct Piece {
    std::string_view bytes;  // valid as long as the Text
    Origin origin;
  };

  Text() = default;
  explicit Text(std::string bytes, Origin origin = Origin::kTemplate);

  const std::string& bytes() const { return bytes_; }
  size_t size() const { return bytes_.size(); }
  bool empty() const { return bytes_.empty(); }

  void Append(const Text& other) { AppendPart(other, 0, other.size()); }
  void Append(std::string_view bytes, Origin origin = Origin::kTemplate);
  // Bytes [begin, end) of this text; both are cut to its size.
  Text Slice(size_t begin, size_t end) const;
  // The same origins over other bytes; `bytes` has the size of this text.
  Text WithBytes(std::string bytes) const;
  // Neighbouring pieces differ in origin.
  std::vector<Piece> Pieces() const;

 private:
  struct Run {
    size_t end;  // offset behind its last byte
    Origin origin;
  };
  void AppendPart(const Text& other, size_t begin, size_t end);
  void Extend(size_t count, Origin origin);

  std::string bytes_;
  std::vector<Run> runs_;  // rising ends; the last one is the size
};

}  // namespace waferline::jinja
