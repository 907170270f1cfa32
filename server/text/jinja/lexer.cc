#include "server/text/jinja/lexer.h"

#include <algorithm>
#include <array>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "server/text/jinja/escape.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"

namespace waferline::jinja {
namespace {

constexpr std::array<std::string_view, 6> kTwoCharacters = {"==", "!=", "<=", ">=", "//", "**"};
constexpr std::string_view kOneCharacter = "+-*/%~<>=.,:|()[]{};";

std::string WithUnixNewlines(std::string_view source) {
  std::string text;
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] != '\r') {
      text += source[i];
    } else {
      text += '\n';
      if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
    }
  }
  if (text.ends_with('\n')) text.pop_back();
  return text;
}

class Lexer {
 public:
  explicit Lexer(std::string_view source) : text_(WithUnixNewlines(source)) {}

  absl::StatusOr<std::vector<Token>> Run() {
    while (at_ < text_.size()) WL_RETURN_IF_ERROR(Next());
    Add(Token::Kind::kEnd, "");
    return std::move(tokens_);
  }

 private:
  bool Sees(std::string_view what) const { return text_.compare(at_, what.size(), what) == 0; }
  char Peek(size_t ahead = 0) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
  }
  void Advance(size_t count) {
    const auto begin = text_.begin() + static_cast<std::ptrdiff_t>(at_);
    line_ += static_cast<int>(std::count(begin, begin + static_cast<std::ptrdiff_t>(count), '\n'));
    at_ += count;
  }
  void Add(Token::Kind kind, std::string text) {
    tokens_.push_back({kind, std::move(text), line_});
  }
  absl::Status Error(std::string_view what, int line) const {
    return absl::InvalidArgumentError(absl::StrCat("line ", line, ": ", Absl(what)));
  }

  // Data up to the next tag, and that tag.
  absl::Status Next() {
    size_t tag = at_;
    while (true) {
      tag = text_.find('{', tag);
      if (tag == std::string::npos || tag + 1 >= text_.size()) tag = text_.size();
      if (tag == text_.size() ||
          std::string_view("{%#").find(text_[tag + 1]) != std::string::npos) {
        break;
      }
      ++tag;
    }
    std::string data = text_.substr(at_, tag - at_);
    const char kind = tag < text_.size() ? text_[tag + 1] : '\0';
    const char sign = tag + 2 < text_.size() ? text_[tag + 2] : '\0';
    StripBeforeTag(data, kind, sign);
    if (!data.empty()) Add(Token::Kind::kData, std::move(data));
    Advance(tag - at_);
    if (kind == '\0') return absl::OkStatus();
    Advance(sign == '-' || sign == '+' ? 3 : 2);
    if (kind == '#') return Comment();
    if (kind == '{') return Expression(Token::Kind::kPrintBegin, Token::Kind::kPrintEnd, "}}");
    if (IsRaw()) return Raw();
    return Expression(Token::Kind::kBlockBegin, Token::Kind::kBlockEnd, "%}");
  }

  // {%- takes all white space before it; {% and {# take the spaces before them if they begin their
  // line.
  void StripBeforeTag(std::string& data, char kind, char sign) const {
    if (sign == '-') {
      data.erase(std::find_if_not(data.rbegin(), data.rend(),
                                  [](unsigned char c) { return absl::ascii_isspace(c); })
                     .base(),
                 data.end());
      return;
    }
    if (kind == '{' || kind == '\0' || sign == '+') return;
    const size_t newline = data.rfind('\n');
    const size_t line_begin = newline == std::string::npos ? 0 : newline + 1;
    if (newline == std::string::npos && !line_starting_) return;
    const bool blank =
        std::all_of(data.begin() + static_cast<std::ptrdiff_t>(line_begin), data.end(),
                    [](unsigned char c) { return absl::ascii_isspace(c); });
    if (blank) data.erase(line_begin);
  }

  // Behind a tag that ended with `sign` before its bracket.
  void AfterTag(char sign, bool trims_newline) {
    const size_t begin = at_;
    if (sign == '-') {
      while (absl::ascii_isspace(static_cast<unsigned char>(Peek()))) Advance(1);
    } else if (trims_newline && sign != '+' && Peek() == '\n') {
      Advance(1);
    }
    line_starting_ = at_ > begin && text_[at_ - 1] == '\n';
  }

  absl::Status Comment() {
    const int line = line_;
    const size_t end = text_.find("#}", at_);
    if (end == std::string::npos) return Error("the comment is not closed by #}", line);
    const char sign = end > at_ ? text_[end - 1] : '\0';
    Advance(end + 2 - at_);
    AfterTag(sign == '-' || sign == '+' ? sign : '\0', true);
    return absl::OkStatus();
  }

  // Just behind "{%": the tag of a raw block?
  bool IsRaw() const {
    size_t at = at_;
    while (at < text_.size() && absl::ascii_isspace(static_cast<unsigned char>(text_[at]))) ++at;
    if (text_.compare(at, 3, "raw") != 0) return false;
    at += 3;
    while (at < text_.size() && absl::ascii_isspace(static_cast<unsigned char>(text_[at]))) ++at;
    return text_.compare(at, 2, "%}") == 0 || text_.compare(at, 3, "-%}") == 0;
  }

  absl::Status Raw() {
    const int line = line_;
    const size_t close = text_.find("%}", at_);
    const char sign = text_[close - 1];
    Advance(close + 2 - at_);
    AfterTag(sign == '-' ? '-' : '\0', true);
    for (size_t tag = at_; (tag = text_.find("{%", tag)) != std::string::npos; tag += 2) {
      size_t word = tag + 2;
      const char before = word < text_.size() ? text_[word] : '\0';
      if (before == '-' || before == '+') ++word;
      while (word < text_.size() && absl::ascii_isspace(static_cast<unsigned char>(text_[word]))) {
        ++word;
      }
      if (text_.compare(word, 6, "endraw") != 0) continue;
      const size_t end = text_.find("%}", word);
      if (end == std::string::npos) break;
      std::string data = text_.substr(at_, tag - at_);
      StripBeforeTag(data, '%', before);
      if (!data.empty()) Add(Token::Kind::kData, std::move(data));
      const char after = text_[end - 1];
      Advance(end + 2 - at_);
      AfterTag(after == '-' || after == '+' ? after : '\0', true);
      return absl::OkStatus();
    }
    return Error("the raw block is not closed by endraw", line);
  }

  absl::Status Expression(Token::Kind begin, Token::Kind end, std::string_view close) {
    const int line = line_;
    Add(begin, "");
    int open = 0;  // brackets; a dict's }} is not the tag's
    while (at_ < text_.size()) {
      const char c = Peek();
      if (absl::ascii_isspace(static_cast<unsigned char>(c))) {
        Advance(1);
        continue;
      }
      if (open == 0) {
        const bool signed_end =
            (c == '-' || (c == '+' && close == "%}")) && text_.compare(at_ + 1, 2, close) == 0;
        if (signed_end || Sees(close)) {
          Add(end, "");
          Advance(signed_end ? 3 : 2);
          AfterTag(signed_end ? c : '\0', close == "%}");
          return absl::OkStatus();
        }
      }
      if (std::string_view("([{").find(c) != std::string::npos) ++open;
      if (std::string_view(")]}").find(c) != std::string::npos) --open;
      WL_RETURN_IF_ERROR(Word());
    }
    return Error(absl::StrCat("the tag is not closed by ", Absl(close)), line);
  }

  absl::Status Word() {
    const unsigned char c = static_cast<unsigned char>(Peek());
    if (absl::ascii_isalpha(c) || c == '_') {
      size_t end = at_;
      while (end < text_.size() &&
             (absl::ascii_isalnum(static_cast<unsigned char>(text_[end])) || text_[end] == '_')) {
        ++end;
      }
      Add(Token::Kind::kName, text_.substr(at_, end - at_));
      Advance(end - at_);
      return absl::OkStatus();
    }
    if (absl::ascii_isdigit(c)) return Number();
    if (c == '\'' || c == '"') return String(static_cast<char>(c));
    for (const std::string_view two : kTwoCharacters) {
      if (!Sees(two)) continue;
      Add(Token::Kind::kOperator, std::string(two));
      Advance(2);
      return absl::OkStatus();
    }
    if (kOneCharacter.find(static_cast<char>(c)) == std::string_view::npos) {
      return Error(
          absl::StrCat("unexpected character '", std::string(1, static_cast<char>(c)), "'"), line_);
    }
    Add(Token::Kind::kOperator, std::string(1, static_cast<char>(c)));
    Advance(1);
    return absl::OkStatus();
  }

  absl::Status Number() {
    size_t end = at_;
    const auto digits = [&] {
      while (end < text_.size() &&
             (absl::ascii_isdigit(static_cast<unsigned char>(text_[end])) || text_[end] == '_')) {
        ++end;
      }
    };
    const auto digit_at = [&](size_t i) {
      return i < text_.size() && absl::ascii_isdigit(static_cast<unsigned char>(text_[i]));
    };
    digits();
    bool is_float = false;
    if (end < text_.size() && text_[end] == '.' && digit_at(end + 1)) {
      is_float = true;
      ++end;
      digits();
    }
    if (end < text_.size() && (text_[end] == 'e' || text_[end] == 'E')) {
      const size_t sign =
          end + 1 < text_.size() && (text_[end + 1] == '-' || text_[end + 1] == '+');
      if (digit_at(end + 1 + sign)) {
        is_float = true;
        end += 1 + sign;
        digits();
      }
    }
    std::string text = text_.substr(at_, end - at_);
    std::erase(text, '_');
    Add(is_float ? Token::Kind::kFloat : Token::Kind::kInteger, std::move(text));
    Advance(end - at_);
    return absl::OkStatus();
  }

  absl::Status String(char quote) {
    const int line = line_;
    std::string value;
    size_t i = at_ + 1;
    for (; i < text_.size() && text_[i] != quote; ++i) {
      if (text_[i] != '\\' || i + 1 >= text_.size()) {
        value += text_[i];
      } else {
        i = ReadEscape(text_, i + 1, value);
      }
    }
    if (i >= text_.size()) return Error("the string is not closed", line);
    Add(Token::Kind::kString, std::move(value));
    Advance(i + 1 - at_);
    return absl::OkStatus();
  }

  const std::string text_;
  size_t at_ = 0;
  int line_ = 1;
  bool line_starting_ = true;
  std::vector<Token> tokens_;
};

}  // namespace

absl::StatusOr<std::vector<Token>> Tokenize(std::string_view source) { return Lexer(source).Run(); }

}  // namespace waferline::jinja
