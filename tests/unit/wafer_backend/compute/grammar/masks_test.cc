// Sets of allowed tokens against the plain definition: a token may come if its bytes may, one by
// one.
#include <boost/json/parse.hpp>
#include <catch2/catch.hpp>

#include "tests/unit/wafer_backend/compute/grammar/byte_vocabulary.h"
#include "wafer_backend/base/seeded_stream.h"

namespace waferline::grammar {
namespace {

// Words, runs of up to 24 characters, JSON's marks with text around them, parts of characters.
std::vector<std::string> Texts(uint64_t seed) {
  SeededStream random(seed);
  static const std::vector<std::string> pieces = {
      "a", "b", "z", " ", "\"",     "\\",     "{",    "}",    "[",    "]",  ":",    ",",    "1",
      "0", "-", ".", "e", "\u00e9", "\u20ac", "\xe2", "\x82", "\xac", "\n", "null", "true", "key"};
  std::vector<std::string> texts;
  for (int i = 0; i < 600; ++i) {
    std::string text;
    const uint64_t length = 1 + random.Next() % (i % 10 == 0 ? 24 : 4);
    for (uint64_t k = 0; k < length; ++k) text += pieces[random.Next() % pieces.size()];
    texts.push_back(std::move(text));
  }
  return texts;
}

bool MayFollow(const TokenConstraint& constraint, const std::string& text, std::string_view next) {
  const auto cursor = constraint.Start();
  for (const char c : text) cursor->Append(static_cast<unsigned char>(c));
  for (const char c : next) {
    if (!cursor->Allowed()->Contains(static_cast<unsigned char>(c))) return false;
    cursor->Append(static_cast<unsigned char>(c));
  }
  return true;
}

// A schema, a GBNF grammar, or a regular expression.
GrammarSpec SpecOf(const std::string& source) {
  if (source.starts_with("root")) return {.kind = GrammarSpec::Kind::kGbnf, .text = source};
  if (!source.starts_with('{')) return {.kind = GrammarSpec::Kind::kRegex, .text = source};
  return {.kind = GrammarSpec::Kind::kJsonSchema, .schema = boost::json::parse(source)};
}

TEST_CASE("a token is allowed exactly if its bytes are, one after the other") {
  const auto tokenizer = std::make_shared<BytesAndTexts>(Texts(7));
  const GrammarCompiler compiler(tokenizer);
  const auto seed = GENERATE(as<uint64_t>(), 1, 2, 3);
  for (
      const char* source :
      {R"({"type":"object"})",
       R"({"type":"object","properties":{"key":{"type":"string","maxLength":5},"b":{"type":"number","minimum":-10}},"required":["key"]})",
       R"({"type":"array","items":{"type":["string","integer","null"],"pattern":"a|b"}})",
       R"({"type":"string","minLength":3})",
       // Long counts: most places look like others.
       R"({"type":"array","items":{"type":"string","minLength":30,"maxLength":45}})",
       R"([\s\S]{20,50})", R"(root ::= ("{" | [^b]){10,40} "b" [a-z ]{0,60})",
       R"(([^1]{15,40}1){2})"}) {
    const auto constraint = *compiler.Compile(SpecOf(source));
    const auto cursor = constraint->Start();
    SeededStream random(seed);
    std::string text;
    for (int step = 0; step < 25 && !cursor->Allowed()->ends_only; ++step) {
      const auto allowed = cursor->Allowed();
      std::vector<TokenId> may;
      for (TokenId id = 0; id < tokenizer->size(); ++id) {
        if (allowed->Contains(id) && id != kEnd) may.push_back(id);
        if (step % 4 != 0 || id < kFirstText) continue;
        INFO(source << " after " << text << ", token " << tokenizer->Piece(id));
        REQUIRE(allowed->Contains(id) == MayFollow(*constraint, text, tokenizer->Piece(id)));
      }
      const TokenId id =
          random.Uniform() < 0.2 ? cursor->TowardsEnd() : may[random.Next() % may.size()];
      if (id == kEnd) break;
      text += tokenizer->Piece(id);
      cursor->Append(id);
    }
  }
}

// kMaxMaskBytes and Machine::kMaxBytes are reached: what is found again is the same.
TEST_CASE("forgetting changes no set") {
  const auto tokenizer = std::make_shared<BytesAndTexts>(Texts(9));
  const GrammarCompiler compiler(tokenizer);
  const auto constraint = *compiler.Compile({.kind = GrammarSpec::Kind::kJsonObject});
  const auto old_cursor = constraint->Start();
  const std::string text = "{\"key\": [[1,{\"a\":\"";
  for (const char c : text) old_cursor->Append(static_cast<unsigned char>(c));
  const auto before = old_cursor->Allowed();
  // Many places, each of its own: nested lists inside differently nested lists and objects.
  for (uint64_t i = 0; i < 400; ++i) {
    const auto cursor = constraint->Start();
    std::string other = "{\"a\":";
    for (int bit = 0; bit < 40; ++bit) other += (Mix(i) >> bit & 1) != 0 ? "[" : "{\"\":";
    for (const char c : other) {
      (void)cursor->Allowed();
      cursor->Append(static_cast<unsigned char>(c));
    }
  }
  const auto after = old_cursor->Allowed();
  CHECK(after != before);  // found again
  CHECK(after->bits == before->bits);
  CHECK(after->few == before->few);
}

}  // namespace
}  // namespace waferline::grammar
