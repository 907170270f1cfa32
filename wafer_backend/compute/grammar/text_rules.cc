#include "wafer_backend/compute/grammar/text_rules.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"

namespace waferline::grammar {
namespace {

constexpr CharRange kControls = {0, 0x1f}, kLong = {0x80, kLastChar};
// A plain character, without the separators that JSON could take (vocabulary_tries.h).
const CharSet& PlainChars() {
  static const CharSet chars = Others({kControls, {'"', '"'}, {'\\', '\\'}, {0x2028, 0x2029}});
  return chars;
}

bool Covers(CharSet set, const CharSet& wanted) {
  set = Normal(std::move(set));
  return std::all_of(wanted.begin(), wanted.end(), [&](const CharRange& range) {
    return std::any_of(set.begin(), set.end(), [&](const CharRange& one) {
      return one.lo <= range.lo && range.hi <= one.hi;
    });
  });
}

std::string Escaped(uint32_t c) {
  switch (c) {
    case '"':
      return "\\\"";
    case '\\':
      return "\\\\";
    case '\b':
      return "\\b";
    case '\f':
      return "\\f";
    case '\n':
      return "\\n";
    case '\r':
      return "\\r";
    case '\t':
      return "\\t";
    default:
      return absl::StrCat("\\u", absl::Hex(c, absl::kZeroPad4));
  }
}

std::vector<uint8_t> Utf8Of(uint32_t c) {
  const auto tail = [c](int shift) { return static_cast<uint8_t>(0x80 | (c >> shift & 0x3f)); };
  if (c < 0x800) return {static_cast<uint8_t>(0xc0 | c >> 6), tail(0)};
  if (c < 0x10000) return {static_cast<uint8_t>(0xe0 | c >> 12), tail(6), tail(0)};
  return {static_cast<uint8_t>(0xf0 | c >> 18), tail(12), tail(6), tail(0)};
}

}  // namespace

void TextRules::Add(const CharAutomaton& texts, StateId from, StateId to) {
  std::vector<StateId> state;
  for (size_t i = 0; i < texts.states().size(); ++i) state.push_back(builder_->NewState());
  if (state.empty()) return;
  builder_->Jump(from, state[0]);
  for (size_t i = 0; i < state.size(); ++i) {
    std::map<uint32_t, CharSet> by_target;
    for (const CharAutomaton::Edge& edge : texts.states()[i].edges) {
      AddRange(edge.range, state[i], state[edge.to]);
      by_target[edge.to].push_back(edge.range);
    }
    for (auto& [target, chars] : by_target) {
      if (Covers(std::move(chars), PlainChars())) builder_->Plain(state[i], state[target]);
    }
    if (texts.states()[i].accepts) builder_->Jump(state[i], to);
  }
}

void TextRules::AddChars(const CharSet& chars, StateId from, StateId to) {
  for (const CharRange& range : chars) AddRange(range, from, to);
}

void TextRules::AddRange(CharRange range, StateId from, StateId to) {
  if (range.lo < kLong.lo) AddAscii({range.lo, std::min(range.hi, kLong.lo - 1)}, from, to);
  if (range.hi < kLong.lo) return;
  const CharRange rest = {std::max(range.lo, kLong.lo), range.hi};
  if (rest == kLong) return builder_->Call(from, LongCharacter(), to);
  // Surrogates are not characters.
  if (rest.lo < 0xd800) AddLong({rest.lo, std::min<uint32_t>(rest.hi, 0xd7ff)}, from, to);
  if (rest.hi > 0xdfff) AddLong({std::max<uint32_t>(rest.lo, 0xe000), rest.hi}, from, to);
}

void TextRules::AddAscii(CharRange range, StateId from, StateId to) {
  if (writing_ == Writing::kUtf8) {
    return builder_->Bytes(from, static_cast<uint8_t>(range.lo), static_cast<uint8_t>(range.hi),
                           to);
  }
  if (range.lo <= kControls.lo && range.hi >= '\\') {
    builder_->Call(from, EscapedCharacter(), to);
  } else {
    AddEscaped(range, from, to);
  }
  for (const CharRange plain :
       {CharRange{0x20, '"' - 1}, CharRange{'"' + 1, '\\' - 1}, CharRange{'\\' + 1, 0x7f}}) {
    const uint32_t lo = std::max(range.lo, plain.lo), hi = std::min(range.hi, plain.hi);
    if (lo <= hi) builder_->Bytes(from, static_cast<uint8_t>(lo), static_cast<uint8_t>(hi), to);
  }
}

void TextRules::AddEscaped(CharRange range, StateId from, StateId to) {
  std::vector<std::string> texts;
  for (uint32_t c = range.lo; c <= range.hi; ++c) {
    if (c <= kControls.hi || c == '"' || c == '\\') texts.push_back(Escaped(c));
  }
  if (!texts.empty()) builder_->OneOf(from, texts, to);
}

RuleId TextRules::EscapedCharacter() {
  if (!escaped_character_) {
    escaped_character_ = builder_->NewRule("escaped character");
    const Rule rule = builder_->rule(*escaped_character_);
    AddEscaped({0, '\\'}, rule.start, rule.end);
  }
  return *escaped_character_;
}

RuleId TextRules::LongCharacter() {
  if (!long_character_) {
    long_character_ = builder_->NewRule("long character");
    const Rule rule = builder_->rule(*long_character_);
    AddLong({0x80, 0xd7ff}, rule.start, rule.end);
    AddLong({0xe000, kLastChar}, rule.start, rule.end);
  }
  return *long_character_;
}

// Splits the range until each part is a product of byte ranges: same length, and where bytes
// differ, those behind run over all values.
void TextRules::AddLong(CharRange range, StateId from, StateId to) {
  for (const uint32_t last : {0x7ffu, 0xffffu}) {
    if (range.lo <= last && range.hi > last) {
      AddLong({range.lo, last}, from, to);
      return AddLong({last + 1, range.hi}, from, to);
    }
  }
  for (const int bits : {6, 12, 18}) {
    const uint32_t mask = (1u << bits) - 1;
    if ((range.lo & ~mask) == (range.hi & ~mask)) break;
    if ((range.lo & mask) != 0) {
      AddLong({range.lo, range.lo | mask}, from, to);
      return AddLong({(range.lo | mask) + 1, range.hi}, from, to);
    }
    if ((range.hi & mask) != mask) {
      AddLong({range.lo, (range.hi & ~mask) - 1}, from, to);
      return AddLong({range.hi & ~mask, range.hi}, from, to);
    }
  }
  const std::vector<uint8_t> lo = Utf8Of(range.lo), hi = Utf8Of(range.hi);
  std::vector<ByteRange> bytes;
  for (size_t i = 0; i < lo.size(); ++i) bytes.push_back({lo[i], hi[i]});
  AddSequence(bytes, from, to);
}

void TextRules::AddSequence(const std::vector<ByteRange>& bytes, StateId from, StateId to) {
  const std::vector<ByteRange> rest(bytes.begin() + 1, bytes.end());
  if (rest.empty()) return builder_->Bytes(from, bytes[0].lo, bytes[0].hi, to);
  const auto [entry, added] = between_.try_emplace({rest, to}, 0);
  if (added) {
    const StateId next = builder_->NewState();
    between_[{rest, to}] = next;
    AddSequence(rest, next, to);
  }
  builder_->Bytes(from, bytes[0].lo, bytes[0].hi, between_[{rest, to}]);
}

}  // namespace waferline::grammar
