#include "server/text/reasoning.h"

#include <catch2/catch.hpp>

#include "tests/support/random_model.h"
#include "wafer_backend/base/seeded_stream.h"
#include "wafer_backend/compute/model/metadata.h"

namespace waferline::text {
namespace {

using Parts = ReasoningSplitter::Parts;

void Add(const Parts& more, Parts* parts) {
  parts->reasoning += more.reasoning;
  parts->answer += more.answer;
}

Parts Split(ReasoningMarks marks, bool opened, std::string_view text) {
  ReasoningSplitter splitter(marks, opened);
  Parts all = splitter.Feed(text);
  Add(splitter.Finish(), &all);
  return all;
}

void Check(const Parts& parts, std::string_view reasoning, std::string_view answer) {
  CHECK(parts.reasoning == reasoning);
  CHECK(parts.answer == answer);
}

TEST_CASE("reasoning between think marks, opened by the reply or by the prompt") {
  constexpr auto kThink = ReasoningMarks::kThink;
  Check(Split(kThink, false, "<think>\nhm\n</think>\n\nYes."), "hm\n", "Yes.");
  Check(Split(kThink, true, "\nhm\n</think>\n\nYes."), "hm\n", "Yes.");
  Check(Split(kThink, false, " \n<think>hm"), "hm", "");
  Check(Split(kThink, true, "never closed <"), "never closed <", "");
  Check(Split(kThink, false, "no marks"), "", "no marks");
  Check(Split(kThink, false, "  two"), "", "  two");
  Check(Split(kThink, false, "\n"), "", "\n");
  Check(Split(kThink, false, "a <think> b </think> c"), "", "a <think> b </think> c");
  Check(Split(kThink, true, "x < y <<think> z</think>1 <b> </think"), "x < y <<think> z",
        "1 <b> </think");
}

TEST_CASE("reasoning in channels") {
  constexpr auto kChannels = ReasoningMarks::kChannels;
  Check(Split(kChannels, false,
              "<|channel|>analysis<|message|>hm < ha<|end|><|start|>assistant<|channel|>final"
              "<|message|>Yes.<|return|>"),
        "hm < ha", "Yes.");
  Check(Split(kChannels, false, "plain"), "", "plain");
  Check(Split(kChannels, false,
              "<|channel|>commentary to=f " + std::string(500, 'x') + "<|message|>{}<|call|>"),
        "", "{}");
  Check(Split(kChannels, false, "<|channel|>analysis<|message|>cut"), "cut", "");
  Check(Split(kChannels, false, "<|channel|>fin"), "", "");
}

TEST_CASE("a message to a function keeps its header where calls are read") {
  const std::string call = "<|channel|>commentary to=functions.f <|constrain|>json<|message|>{}";
  ReasoningSplitter with(ReasoningMarks::kChannels, false, true);
  Check(with.Feed("<|channel|>analysis<|message|>hm<|end|><|start|>assistant" + call), "hm", call);
  Check(with.Finish(), "", "");
  Check(Split(ReasoningMarks::kChannels, false, call), "", "{}");
}

TEST_CASE("however the text is cut, the parts are the same") {
  const std::vector<std::string> pieces = {
      "<think>", "</think>",  "<|channel|>", "analysis", "final", "<|message|>", "<|end|>",
      "<",       "<|start|>", "</",          "thi",      "nk>",   " ",           "\n",
      "word",    "\xc3\xa9",  "<|return|>",  "|>",       "x"};
  const uint64_t seed = 17;
  SeededStream numbers(seed);
  for (int round = 0; round < 3000; ++round) {
    const auto marks = static_cast<ReasoningMarks>(numbers.Next() % 3);
    const bool opened = numbers.Next() % 2 == 0;
    std::string text;
    for (uint64_t n = numbers.Next() % 12; n > 0; --n)
      text += pieces[numbers.Next() % pieces.size()];
    INFO("seed " << seed << ", round " << round << ": " << model::Quoted(text));
    const Parts whole = Split(marks, opened, text);
    ReasoningSplitter splitter(marks, opened);
    Parts cut;
    for (size_t done = 0; done < text.size();) {
      const size_t length = 1 + numbers.Next() % 5;
      Add(splitter.Feed(std::string_view(text).substr(done, length)), &cut);
      done += length;
    }
    Add(splitter.Finish(), &cut);
    REQUIRE(cut.reasoning == whole.reasoning);
    REQUIRE(cut.answer == whole.answer);
  }
}

TEST_CASE("a template says which marks there are, and a prompt whether reasoning began") {
  CHECK(ReasoningMarksOf("{{ '<think>' }}") == ReasoningMarks::kThink);
  CHECK(ReasoningMarksOf("{{ content.split('</think>')[-1] }}") == ReasoningMarks::kThink);
  CHECK(ReasoningMarksOf("<|channel|>final<|message|>") == ReasoningMarks::kChannels);
  CHECK(ReasoningMarksOf("<|im_start|>") == ReasoningMarks::kNone);

  test::GgufWriter writer;
  test::SetVocabulary(writer, test::VocabularyKind::kBytePairs, "qwen2");
  const auto tokenizer = *model::TokenizerFromGguf(**model::GgufFile::FromBytes(writer.Bytes()));
  const auto opens = [&](std::string_view prompt) {
    return OpensReasoning(ReasoningMarks::kThink, *tokenizer, tokenizer->Encode(prompt));
  };
  CHECK(opens("the question<think>\n"));
  CHECK(opens("<think>"));
  CHECK_FALSE(opens("<think>\n\n</think>\n\n"));
  CHECK_FALSE(opens(""));
  CHECK(MarkTokens(ReasoningMarks::kThink, *tokenizer).empty());
}

}  // namespace
}  // namespace waferline::text
