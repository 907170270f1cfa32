#include "server/text/text_stream.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "tests/support/random_model.h"
#include "wafer_backend/base/seeded_stream.h"
#include "wafer_backend/compute/model/utf8.h"

namespace waferline::text {
namespace {

std::shared_ptr<const model::Tokenizer> Bytes() {
  // Byte-level: any cut of the text into tokens can be written down.
  test::GgufWriter writer;
  test::SetVocabulary(writer, test::VocabularyKind::kBytePairs, "qwen2");
  return *model::TokenizerFromGguf(**model::GgufFile::FromBytes(writer.Bytes()));
}

struct Shown {
  std::string text;
  std::string stop;
  bool operator==(const Shown&) const = default;
};

Shown Run(const std::shared_ptr<const model::Tokenizer>& tokenizer, const std::vector<TokenId>& ids,
          const TextStreamOptions& options) {
  TextStream stream(tokenizer, options);
  Shown shown;
  const auto take = [&](const TextStream::Delta& delta) {
    for (std::string_view left = delta.text; !left.empty();) {
      const model::Utf8Start start = model::StartOf(left);
      REQUIRE(start.kind == model::Utf8Start::kCharacter);
      left.remove_prefix(start.length);
    }
    shown.text += delta.text;
    if (delta.stopped) shown.stop = delta.stop;
  };
  for (TokenId id : ids) take(stream.Feed(id));
  REQUIRE(stream.stopped() == !shown.stop.empty());
  take(stream.Finish());
  return shown;
}

// One token a byte.
std::vector<TokenId> TokensOf(const model::Tokenizer& tokenizer, std::string_view text) {
  std::vector<TokenId> ids;
  for (char c : text) {
    for (TokenId id = 0; id < tokenizer.size(); ++id) {
      if (tokenizer.Piece(id) == std::string_view(&c, 1)) {
        ids.push_back(id);
        break;
      }
    }
  }
  REQUIRE(ids.size() == text.size());
  return ids;
}

// What the header promises, by the plainest means: invalid parts replaced, then cut at the stop
// string that ends first, of those the one that begins first.
Shown Expected(std::string_view bytes, const TextStreamOptions& options) {
  std::string text;
  for (std::string_view left = bytes; !left.empty();) {
    const model::Utf8Start start = model::StartOf(left);
    text += start.kind == model::Utf8Start::kCharacter ? left.substr(0, start.length)
                                                       : model::kReplacement;
    left.remove_prefix(start.length);
  }
  Shown best{text, ""};
  size_t best_end = std::string::npos;
  for (const std::string& stop : options.stop) {
    const size_t begin = text.find(stop);
    if (begin == std::string::npos) continue;
    const size_t end = begin + stop.size();
    if (end > best_end || (end == best_end && stop.size() <= best.stop.size())) continue;
    best_end = end;
    best = {text.substr(0, options.include_stop ? end : begin), stop};
  }
  return best;
}

TEST_CASE("however a text is cut into tokens, the same is shown") {
  const auto tokenizer = Bytes();
  const std::vector<std::string> parts = {
      "ab",       "a",    "b",    "the",      " wafer",
      "\xc3\xa9", "\xc3", "\xff", "\xe2\x96", "\xf0\x9f\x98\x80",
      "stop",     "\n\n"};
  const std::vector<std::string> stops = {"ab",
                                          "aab",
                                          "abab",
                                          "stop",
                                          "top",
                                          "\xc3\xa9",
                                          "a\n\nb",
                                          "wafer",
                                          "\xf0\x9f\x98\x80"
                                          "a",
                                          "b"};
  const uint64_t seed = 3;
  SeededStream numbers(seed);
  size_t stopped = 0;
  for (int i = 0; i < 4000; ++i) {
    std::string text;
    for (uint64_t n = numbers.Next() % 12; n > 0; --n) text += parts[numbers.Next() % parts.size()];
    TextStreamOptions options;
    options.include_stop = numbers.Next() % 2 == 0;
    for (uint64_t n = numbers.Next() % 4; n > 0; --n) {
      options.stop.push_back(stops[numbers.Next() % stops.size()]);
    }
    INFO("seed " << seed << ", text " << i);
    const Shown expected = Expected(text, options);
    stopped += expected.stop.empty() ? 0 : 1;
    REQUIRE(Run(tokenizer, tokenizer->Encode(text), options) == expected);
    REQUIRE(Run(tokenizer, TokensOf(*tokenizer, text), options) == expected);
  }
  REQUIRE(stopped > 500);
}

TEST_CASE("only what may still become a stop string or a character is held back") {
  const auto tokenizer = Bytes();
  TextStreamOptions options;
  options.stop = {"###", "\nUser:"};
  TextStream stream(tokenizer, options);
  const auto feed = [&](std::string_view text) {
    std::string shown;
    for (TokenId id : TokensOf(*tokenizer, text)) shown += stream.Feed(id).text;
    return shown;
  };
  REQUIRE(feed("one") == "one");
  REQUIRE(feed("##") == "");
  REQUIRE(feed("x") == "##x");
  REQUIRE(feed("\nUse") == "");
  REQUIRE(feed("d") == "\nUsed");
  REQUIRE(feed("\xc3") == "");
  REQUIRE(feed("\xa9") == "\xc3\xa9");
  REQUIRE(stream.characters() == 12);
  REQUIRE(feed("####") == "");
  REQUIRE(stream.stopped());
  REQUIRE(feed("more") == "");
  REQUIRE(stream.Finish().text.empty());
}

TEST_CASE("the end shows what was held, an incomplete character as U+FFFD") {
  const auto tokenizer = Bytes();
  TextStreamOptions options;
  options.stop = {"abc"};
  REQUIRE(Run(tokenizer, TokensOf(*tokenizer, "xab\xe2\x96"), options).text == "xab\xef\xbf\xbd");
}

TEST_CASE("a stop string that is complete within min_tokens is text") {
  const auto tokenizer = Bytes();
  TextStreamOptions options;
  options.stop = {"aa"};
  const std::string text = "xaaabaac";
  for (const auto& [min_tokens, expected] :
       std::vector<std::pair<uint32_t, Shown>>{{0, {"x", "aa"}},
                                               {2, {"x", "aa"}},
                                               {3, {"xa", "aa"}},  // begins within, ends after
                                               {4, {"xaaab", "aa"}},
                                               {6, {"xaaab", "aa"}},
                                               {7, {text, ""}},
                                               {100, {text, ""}}}) {
    options.min_tokens = min_tokens;
    INFO(min_tokens);
    CHECK(Run(tokenizer, TokensOf(*tokenizer, text), options) == expected);
  }
  // And it is shown as soon as it is.
  options.min_tokens = 100;
  options.stop = {"ab"};
  TextStream stream(tokenizer, options);
  std::string shown;
  for (TokenId id : TokensOf(*tokenizer, "xab")) shown += stream.Feed(id).text;
  CHECK(shown == "xab");
}

TEST_CASE("control tokens give no text, or their names") {
  const auto tokenizer = Bytes();
  std::vector<TokenId> ids = tokenizer->Encode(" the");
  ids.insert(ids.begin(), *tokenizer->FindSpecial("<|im_start|>"));
  REQUIRE(Run(tokenizer, ids, {}).text == " the");
  REQUIRE(Run(tokenizer, ids, {.skip_special = false}).text == "<|im_start|> the");
  REQUIRE(Run(tokenizer, ids, {.drop_first_space = true}).text == "the");
}

TEST_CASE("a token by itself shows its bytes and a text for them") {
  const auto tokenizer = Bytes();
  const TokenId half = TokensOf(*tokenizer, "\xc3")[0];
  REQUIRE(TextOf(*tokenizer, half).bytes == "\xc3");
  REQUIRE(TextOf(*tokenizer, half).text == "\xef\xbf\xbd");
  const TokenId word = tokenizer->Encode(" wafer")[0];
  REQUIRE(TextOf(*tokenizer, word).text == " wafer");
}

TEST_CASE("no stop string ends a call, and each ends the text before one") {
  const auto tokenizer = Bytes();
  const auto run = [&](const char* text, TextStreamOptions options) {
    options.ends = {"<|im_end|>"};
    return Run(tokenizer, TokensOf(*tokenizer, text), options);
  };
  const TextStreamOptions hermes{.stop = {"unit", "\n", "}"}, .calls_begin = "<tool_call>"};
  const char* call = "<tool_call>\n{\"unit\": 1}\n</tool_call>";
  CHECK(run(call, hermes) == Shown{call, ""});
  CHECK(run("Let us <tool_call>unit", hermes) == Shown{"Let us <tool_call>unit", ""});
  CHECK(run("A unit <tool_call>", hermes) == Shown{"A ", "unit"});
  CHECK(run("<tool_cal\n", hermes) == Shown{"<tool_cal", "\n"});
  CHECK(run("<tool_call>unit<|im_end|>unit", hermes) == Shown{"<tool_call>unit", "<|im_end|>"});
  // What was held back for a stop string is not lost.
  CHECK(run("<tool_call>uni", {.stop = {">uni!"}, .calls_begin = "<tool_call>"}).text ==
        "<tool_call>uni");
  const TextStreamOptions alone{.stop = {"unit"}, .calls_begin = "[", .calls_alone = true};
  CHECK(run("[f(unit=1)]", alone) == Shown{"[f(unit=1)]", ""});
  CHECK(run("as [unit", alone) == Shown{"as [", "unit"});
  CHECK(run("unit<|im_end|>", {.stop = {"unit"}, .only_calls = true}) ==
        Shown{"unit", "<|im_end|>"});
}

}  // namespace
}  // namespace waferline::text
