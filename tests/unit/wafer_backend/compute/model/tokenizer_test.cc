#include "wafer_backend/compute/model/tokenizer.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <string>

#include "tests/support/least_time.h"
#include "tests/support/random_model.h"
#include "wafer_backend/base/seeded_stream.h"
#include "wafer_backend/compute/model/normal_form.h"
#include "wafer_backend/compute/model/utf8.h"

namespace waferline::model {
namespace {

using test::GgufWriter;
using test::VocabularyKind;

struct Kind {
  std::string name;
  VocabularyKind vocabulary;
  std::string_view architecture;
  std::string pre;    // instead of the architecture's
  std::string model;  // instead of the vocabulary's
};
const std::vector<Kind> kKinds = {
    {"SentencePiece", VocabularyKind::kSentencePiece, "llama", "", ""},
    {"llama-bpe", VocabularyKind::kBytePairs, "llama", "", ""},
    {"qwen2", VocabularyKind::kBytePairs, "qwen2", "", ""},
    {"gpt-2", VocabularyKind::kBytePairs, "qwen2", "gpt-2", ""},
    {"unigram", VocabularyKind::kSentencePiece, "llama", "", "t5"},
};

absl::StatusOr<std::shared_ptr<const Tokenizer>> From(const GgufWriter& writer) {
  auto file = GgufFile::FromBytes(writer.Bytes());
  REQUIRE(file.ok());
  return TokenizerFromGguf(**file);
}

GgufWriter WriterOf(const Kind& kind) {
  GgufWriter writer;
  test::SetVocabulary(writer, kind.vocabulary, kind.architecture);
  if (!kind.pre.empty()) writer.SetString("tokenizer.ggml.pre", kind.pre);
  if (!kind.model.empty()) writer.SetString("tokenizer.ggml.model", kind.model);
  return writer;
}

std::shared_ptr<const Tokenizer> Make(const Kind& kind) {
  auto tokenizer = From(WriterOf(kind));
  INFO(tokenizer.status().message());
  REQUIRE(tokenizer.ok());
  return *tokenizer;
}

std::string RandomText(SeededStream& numbers) {
  static const std::vector<std::string> kParts = {"the",
                                                  " wafer",
                                                  " ",
                                                  "  ",
                                                  "\n",
                                                  "\xe2\x96\x81",
                                                  "\xc3\xa9",
                                                  "\xe6\x9c\xac",
                                                  "\xff",
                                                  "\xc3",
                                                  "\xe2\x96",
                                                  "</s>",
                                                  "'re",
                                                  "<|im_end|>",
                                                  "12345",
                                                  "\t\r\n",
                                                  "\xf0\x9f\x98\x80"};
  std::string text;
  for (uint64_t n = numbers.Next() % 12; n > 0; --n) {
    if (numbers.Next() % 4 == 0) {
      text += static_cast<char>(numbers.Next());
    } else {
      text += kParts[numbers.Next() % kParts.size()];
    }
  }
  return text;
}

TEST_CASE("any bytes come back exactly, by ids inside the vocabulary that are not control tokens") {
  for (const Kind& kind : kKinds) {
    const auto tokenizer = Make(kind);
    const uint64_t seed = 11;
    SeededStream numbers(seed);
    for (int i = 0; i < 3000; ++i) {
      std::string text = RandomText(numbers);
      if (kind.architecture == "qwen2") text = FormC(text);
      INFO(kind.name << ", seed " << seed << ", text " << i << ": " << Quoted(text));
      const auto ids = tokenizer->Encode(text, {.add_special = false});
      for (TokenId id : ids) REQUIRE((tokenizer->valid(id) && !tokenizer->IsSpecial(id)));
      REQUIRE(tokenizer->Decode(ids) == text);
      REQUIRE(tokenizer->Decode(tokenizer->Encode(text)) == text);
      std::string pieces;
      for (TokenId id : ids) pieces += tokenizer->Piece(id);
      const bool prefix = kind.vocabulary == VocabularyKind::kSentencePiece && !text.empty();
      REQUIRE(pieces == (prefix ? " " + text : text));
      const auto parsed = tokenizer->Encode(text, {.parse_special = true});
      REQUIRE(tokenizer->Decode(parsed, false) ==
              (tokenizer->adds_bos() ? std::string(tokenizer->Piece(*tokenizer->bos())) : "") +
                  text);
    }
  }
}

TEST_CASE("control tokens come out of text only where that is asked for") {
  for (const Kind& kind : kKinds) {
    INFO(kind.name);
    const auto tokenizer = Make(kind);
    const TokenId eos = *tokenizer->eos();
    const std::string name(tokenizer->RawPiece(eos));
    REQUIRE(tokenizer->FindSpecial(name) == eos);
    const std::string text = "the" + name + "bird";
    const auto plain = tokenizer->Encode(text);
    REQUIRE(std::count(plain.begin(), plain.end(), eos) == 0);
    const auto parsed = tokenizer->Encode(text, {.parse_special = true});
    REQUIRE(std::count(parsed.begin(), parsed.end(), eos) == 1);
    REQUIRE(tokenizer->Decode(parsed) == "thebird");
    // What a user writes cannot become one across the border of two segments either.
    const std::string half = name.substr(0, 2), rest = name.substr(2);
    const std::vector<TextSegment> split = {{half, false}, {rest, true}};
    const auto ids = tokenizer->EncodeSegments(split, false);
    REQUIRE(std::count(ids.begin(), ids.end(), eos) == 0);
    REQUIRE(ids == tokenizer->Encode(name, {.add_special = false}));
  }
}

TEST_CASE("segments without control tokens are one text") {
  for (const Kind& kind : kKinds) {
    const auto tokenizer = Make(kind);
    const uint64_t seed = 5;
    SeededStream numbers(seed);
    for (int i = 0; i < 300; ++i) {
      const std::string a = RandomText(numbers), b = RandomText(numbers);
      INFO(kind.name << ", seed " << seed << ", text " << i);
      const std::vector<TextSegment> both = {{a, false}, {b, false}};
      REQUIRE(tokenizer->EncodeSegments(both, true) == tokenizer->Encode(a + b));
    }
  }
}

TEST_CASE("begin, end and turn tokens are found") {
  const auto llama = Make(kKinds[0]);
  REQUIRE(llama->Encode("the").front() == llama->bos());
  REQUIRE(llama->end_ids() == std::vector<TokenId>{2, *llama->FindSpecial("<|im_end|>")});
  REQUIRE(llama->eot() == llama->FindSpecial("<|im_end|>"));
  const auto llama3 = Make(kKinds[1]);
  REQUIRE(llama3->Encode("the").front() == llama3->FindSpecial("<|begin_of_text|>"));
  REQUIRE(llama3->end_ids() == std::vector<TokenId>{*llama3->FindSpecial("<|end_of_text|>"),
                                                    *llama3->FindSpecial("<|eot_id|>")});
  const auto qwen = Make(kKinds[2]);
  REQUIRE_FALSE(qwen->adds_bos());
  REQUIRE(qwen->Encode("").empty());
  GgufWriter writer = WriterOf(kKinds[2]);
  writer.SetBool("tokenizer.ggml.add_eos_token", true);
  REQUIRE((*From(writer))->Encode("the").back() == *qwen->eos());
}

TEST_CASE("where an answer has channels, the end of one message is not its end") {
  GgufWriter writer;
  writer.SetString("tokenizer.ggml.model", "gpt2")
      .SetString("tokenizer.ggml.pre", "gpt-4o")
      .SetStrings("tokenizer.ggml.merges", {})
      .SetStrings("tokenizer.ggml.tokens",
                  {"a", "<|channel|>", "<|end|>", "<|return|>", "<|call|>", "<|endoftext|>"})
      .SetInts("tokenizer.ggml.token_type", {1, 3, 3, 3, 3, 3});
  const auto tokenizer = From(writer);
  INFO(tokenizer.status().message());
  CHECK((*tokenizer)->end_ids() == std::vector<TokenId>{3, 4, 5});
}

TEST_CASE("a broken vocabulary is refused by key") {
  struct Case {
    int kind;
    std::function<void(GgufWriter&)> change;
    std::string named;
  };
  const std::vector<Case> cases = {
      {0, [](auto& w) { w.SetString("tokenizer.ggml.model", "bert"); }, "bert"},
      {0, [](auto& w) { w.Erase("tokenizer.ggml.model"); }, "tokenizer.ggml.model"},
      {0, [](auto& w) { w.Erase("tokenizer.ggml.tokens"); }, "tokenizer.ggml.tokens"},
      {0, [](auto& w) { w.SetStrings("tokenizer.ggml.tokens", {}); }, "tokenizer.ggml.tokens"},
      {0, [](auto& w) { w.Erase("tokenizer.ggml.scores"); }, "tokenizer.ggml.scores"},
      {4, [](auto& w) { w.SetInts("tokenizer.ggml.precompiled_charsmap", {1}); },
       "tokenizer.ggml.precompiled_charsmap"},
      {0, [](auto& w) { w.SetFloats("tokenizer.ggml.scores", {1}); }, "tokenizer.ggml.scores"},
      {0, [](auto& w) { w.SetInts("tokenizer.ggml.token_type", {1}); },
       "tokenizer.ggml.token_type"},
      {0, [](auto& w) { w.SetUint("tokenizer.ggml.eos_token_id", 1u << 30); },
       "tokenizer.ggml.eos_token_id"},
      {0,
       [](auto& w) {
         w.Erase("tokenizer.ggml.bos_token_id").SetBool("tokenizer.ggml.add_bos_token", true);
       },
       "tokenizer.ggml.bos_token_id"},
      {2, [](auto& w) { w.SetString("tokenizer.ggml.pre", "lama-bpe"); },
       "did you mean 'llama-bpe'?"},
      {2, [](auto& w) { w.Erase("tokenizer.ggml.pre"); }, "tokenizer.ggml.pre"},
      {2, [](auto& w) { w.Erase("tokenizer.ggml.merges"); }, "tokenizer.ggml.merges"},
      {2,
       [](auto& w) {
         w.SetStrings("tokenizer.ggml.merges", {"t h", "th"});
       },
       "entry 1"},
      {2, [](auto& w) { w.SetStrings("tokenizer.ggml.merges", {"t q"}); }, "entry 0"},
      {2, [](auto& w) { w.SetStrings("tokenizer.ggml.tokens", {"a"}); },
       "tokenizer.ggml.token_type"},
      {2,
       [](auto& w) {
         w.Erase("tokenizer.ggml.token_type").SetStrings("tokenizer.ggml.tokens", {"aa", "bb"});
         w.SetUint("tokenizer.ggml.eos_token_id", 1).SetUint("tokenizer.ggml.bos_token_id", 1);
       },
       "any byte"},
  };
  for (const Case& c : cases) {
    GgufWriter writer = WriterOf(kKinds[c.kind]);
    c.change(writer);
    const auto tokenizer = From(writer);
    INFO("named: " << c.named << ", error: " << tokenizer.status().message());
    CHECK_FALSE(tokenizer.ok());
    CHECK(tokenizer.status().message().find(c.named) != std::string::npos);
  }
}

TEST_CASE("superfluous spaces go where the file says so") {
  for (const Kind& kind : {kKinds[0], kKinds[4]}) {
    GgufWriter writer = WriterOf(kind);
    writer.SetBool("tokenizer.ggml.remove_extra_whitespaces", true);
    const auto tokenizer = *From(writer);
    CHECK(tokenizer->Encode("  the   wafer ") == tokenizer->Encode("the wafer"));
    CHECK(tokenizer->Encode("   ", {.add_special = false}).empty());
  }
}

TEST_CASE("a unigram model takes the best pieces, not the first merges") {
  GgufWriter writer;
  writer.SetString("tokenizer.ggml.model", "t5")
      .SetUint("tokenizer.ggml.unknown_token_id", 0)
      .SetBool("tokenizer.ggml.add_space_prefix", false)
      .SetStrings("tokenizer.ggml.tokens", {"<unk>", "a", "b", "ab", "bc", "c"})
      .SetInts("tokenizer.ggml.token_type", {2, 1, 1, 1, 1, 1})
      .SetFloats("tokenizer.ggml.scores", {0, -1, -5, -2, -1.5, -4});
  const auto tokenizer = *From(writer);
  CHECK(tokenizer->Encode("abc") == std::vector<TokenId>{1, 4});
  CHECK(tokenizer->Encode("ab") == std::vector<TokenId>{3});
  CHECK(tokenizer->Encode("axyb") == std::vector<TokenId>{1, 0, 2});
}

double SecondsToEncode(const Tokenizer& tokenizer, const std::string& text) {
  return LeastSeconds(
      [&] { REQUIRE_FALSE(tokenizer.Encode(text, {.parse_special = true}).empty()); });
}

TEST_CASE("sixteen times the text takes no more than sixty times as long", "[time]") {
  for (const Kind& kind : kKinds) {
    const auto tokenizer = Make(kind);
    for (const std::string unit :
         {"a", " ", "the wafer ", "<", "<|im_", "\xff", "\n ", "\xe2\x96\x81", "the", "1", "'",
          "\xe6\x9c\xac", "lightandriver"}) {
      const auto text = [&unit](size_t bytes) {
        std::string repeated;
        while (repeated.size() < bytes) repeated += unit;
        return repeated + "!";
      };
      const double small = SecondsToEncode(*tokenizer, text(1 << 14));
      const double large = SecondsToEncode(*tokenizer, text(1 << 18));
      INFO(kind.name << ", repeated " << Quoted(unit) << ": " << small << " s, " << large << " s");
      CHECK(large < 60 * std::max(small, 1e-4));
    }
  }
}

TEST_CASE("UTF-8 is distinguished from what is not, to the last byte") {
  using K = Utf8Start::Kind;
  const auto check = [](std::string_view bytes, K kind, size_t length) {
    INFO(Quoted(bytes));
    const Utf8Start start = StartOf(bytes);
    CHECK(start.kind == kind);
    CHECK(start.length == length);
  };
  check("a", K::kCharacter, 1);
  check("\xc3\xa9x", K::kCharacter, 2);
  check("\xf4\x8f\xbf\xbf", K::kCharacter, 4);
  check("\x80", K::kInvalid, 1);
  check("\xc0\xaf", K::kInvalid, 1);          // overlong
  check("\xe0\x9f\xbf", K::kInvalid, 1);      // overlong
  check("\xed\xa0\x80", K::kInvalid, 1);      // surrogate
  check("\xf4\x90\x80\x80", K::kInvalid, 1);  // beyond U+10FFFF
  check("\xf0\x9f\x98x", K::kInvalid, 3);
  check("\xf0\x9f\x98", K::kIncomplete, 3);
  check("\xe2\x96", K::kIncomplete, 2);
  check("\xc3", K::kIncomplete, 1);
}

}  // namespace
}  // namespace waferline::model
