// What all pre-tokenizers have in common; how each cuts is compared with Hugging Face's library in
// tests/clients/tokenizers_test.py.
#include "wafer_backend/compute/model/pre_tokenizer.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "tests/support/least_time.h"
#include "wafer_backend/base/seeded_stream.h"
#include "wafer_backend/compute/model/metadata.h"
#include "wafer_backend/compute/model/normal_form.h"

namespace waferline::model {
namespace {

std::vector<std::string> WordsOf(const PreTokenizer& cutter, std::string_view text) {
  std::vector<std::string> all;
  PreTokenizer::Words words(cutter, text);
  for (auto word = words.Next(); !word.empty(); word = words.Next()) all.emplace_back(word);
  return all;
}

std::vector<std::string> WordsOf(std::string_view name, std::string_view text) {
  auto cutter = PreTokenizer::Find(name);
  REQUIRE(cutter.ok());
  return WordsOf(**cutter, text);
}

// One row for each list of steps.
std::vector<std::string_view> DifferentCutters() {
  std::vector<std::string_view> names;
  std::vector<const CutStep*> seen;
  for (const PreTokenizerRow& row : PreTokenizerRows()) {
    if (std::find(seen.begin(), seen.end(), row.steps.data()) != seen.end()) continue;
    seen.push_back(row.steps.data());
    names.push_back(row.name);
  }
  return names;
}

TEST_CASE("a word after the other is the whole text, whatever its bytes") {
  const std::vector<std::string> parts = {"the",
                                          " Wafer",
                                          " ",
                                          "  ",
                                          "\n",
                                          "\r\n",
                                          "\t",
                                          "'re",
                                          "12345",
                                          "\xff",
                                          "\xc3",
                                          "\xe2\x96",
                                          "\xc3\xa9",
                                          "\xcc\x81",
                                          "\xe6\x9c\xac",
                                          "\xd0\xbc",
                                          "$",
                                          "!?/",
                                          "\xd9\xa3\xd9\xa4\xd9\xa5\xd9\xa6",
                                          "\xc2\xbd"};
  for (const PreTokenizerRow& row : PreTokenizerRows()) {
    const auto cutter = *PreTokenizer::Find(row.name);
    const uint64_t seed = 3;
    SeededStream numbers(seed);
    for (int i = 0; i < 200; ++i) {
      std::string text;
      for (uint64_t n = numbers.Next() % 16; n > 0; --n)
        text += parts[numbers.Next() % parts.size()];
      INFO(row.name << ", seed " << seed << ", text " << i << ": " << Quoted(text));
      std::string joined;
      for (const std::string& word : WordsOf(*cutter, text)) joined += word;
      REQUIRE(joined == text);
    }
  }
}

TEST_CASE("later expressions see what the earlier ones left") {
  using Words = std::vector<std::string>;
  CHECK(WordsOf("smollm", "a 12  b") == Words{"a", " ", "1", "2", " ", " b"});
  CHECK(WordsOf("default", "x=12345") == Words{"x", "=", "123", "45"});
  CHECK(WordsOf("llama-bpe", "don't 12345") == Words{"don", "'t", " ", "123", "45"});
  CHECK(WordsOf("superbpe", "of 1234567 and") == Words{"of ", "1", "234", "567", " and"});
  CHECK(WordsOf("tiny_aya", "12345 1234x") == Words{"12", "345", " ", "123", "4", "x"});
  CHECK(WordsOf("deepseek-llm", "a \n  ") == Words{"a", " ", "\n", "  "});
  // The second byte of this letter looks like a fraction in the byte alphabet.
  CHECK(WordsOf("falcon", "\xd0\xbc!") == Words{"\xd0", "\xbc", "!"});
}

double SecondsToCut(const PreTokenizer& cutter, const std::string& text) {
  return LeastSeconds([&] { REQUIRE_FALSE(WordsOf(cutter, text).empty()); });
}

TEST_CASE("sixteen times the text takes no more than sixty times as long to cut", "[time]") {
  for (const std::string_view name : DifferentCutters()) {
    const auto cutter = *PreTokenizer::Find(name);
    for (const std::string unit : {"a", "A", " ", "  \n", "\n", "1", "'", "!", "\xcc\x81", "aB",
                                   "\xff", "/", " a", "\xe6\x9c\xac", "\xe1\x84\x80"}) {
      const auto text = [&unit](size_t bytes) {
        std::string repeated;
        while (repeated.size() < bytes) repeated += unit;
        return repeated + "x";
      };
      const double small = SecondsToCut(*cutter, text(1 << 14));
      const double large = SecondsToCut(*cutter, text(1 << 18));
      INFO(name << ", repeated " << Quoted(unit) << ": " << small << " s, " << large << " s");
      CHECK(large < 60 * std::max(small, 5e-4));
    }
  }
}

TEST_CASE("form C composes, orders marks and leaves other bytes alone") {
  CHECK(FormC("e\xcc\x81") == "\xc3\xa9");
  // Tie + circumflex + acute, as Vietnamese keyboards write it.
  CHECK(FormC("Tie\xcc\x82\xcc\x81ng") == "Ti\xe1\xba\xbfng");
  CHECK(FormC("q\xcc\x87\xcc\xa3") == "q\xcc\xa3\xcc\x87");
  CHECK(FormC("\xe1\x84\x92\xe1\x85\xa1\xe1\x86\xab") == "\xed\x95\x9c");
  CHECK(FormC("\xe2\x84\xab\xff"
              "e\xcc\x81\xcc") == "\xc3\x85\xff\xc3\xa9\xcc");
  CHECK(FormC("\xe0\xa5\x98") == "\xe0\xa4\x95\xe0\xa4\xbc");  // excluded from composition
  CHECK_FALSE(MayChangeInFormC("plain \xc3\xa9"));
  CHECK(MayChangeInFormC("e\xcc\x81"));
}

TEST_CASE("form C of a long run of marks in the worst order takes linear time", "[time]") {
  const auto seconds = [](int marks) {
    std::string text = "a";
    for (int i = 0; i < marks; ++i) text += i < marks / 2 ? "\xcc\x87" : "\xcc\xa3";
    return LeastSeconds([&text] { CHECK(FormC(text).size() <= text.size() + 2); });
  };
  CHECK(seconds(1 << 18) < 60 * std::max(seconds(1 << 14), 1e-3));
}

}  // namespace
}  // namespace waferline::model
