// grammar_bench: what constrained decoding adds to a token, with a synthetic vocabulary of 128,000
// byte-level tokens. For each schema, texts are drawn twice: cold, when every set of tokens is
// found for the first time, and warm, as in the second answer of the same schema. Prints
// microseconds a token: the mean and the largest of finding the set and advancing, and the mean of
// masking a row of logits.
#include <algorithm>
#include <boost/json/parse.hpp>
#include <cstdio>
#include <ctime>
#include <set>

#include "tests/unit/wafer_backend/compute/grammar/byte_vocabulary.h"
#include "wafer_backend/base/check.h"
#include "wafer_backend/base/seeded_stream.h"
#include "wafer_backend/compute/sampling/allowed.h"

namespace waferline {
namespace {

constexpr size_t kVocabulary = 128'000;

// Words as natural ones are long, with and without a space before them, in several scripts; runs of
// digits and spaces; marks of programs and JSON.
std::vector<std::string> Texts() {
  SeededStream random(1);
  std::set<std::string> texts;
  const std::string marks = "\"{}[]:,.;()<>=+-*/\\_#\n\t";
  while (texts.size() < kVocabulary - 258) {
    std::string text;
    const double kind = random.Uniform();
    if (kind < 0.06) {
      for (uint64_t i = 0; i < 1 + random.Next() % 4; ++i)
        text += marks[random.Next() % marks.size()];
      if (random.Uniform() < 0.5) text += static_cast<char>('a' + random.Next() % 26);
    } else if (kind < 0.07) {
      text = std::to_string(random.Next() % 1000);
    } else {
      if (random.Uniform() < 0.5) text = " ";
      const uint64_t length = 2 + random.Next() % 9;
      const bool other = random.Uniform() < 0.2;
      for (uint64_t i = 0; i < length; ++i) {
        if (other) {
          text += "\xd0";
          text += static_cast<char>(0xb0 + random.Next() % 16);
        } else {
          text += static_cast<char>('a' + (random.Next() % 26) * (random.Next() % 26) / 26);
        }
      }
    }
    texts.insert(text);
  }
  return {texts.begin(), texts.end()};
}

// Of this thread's own time, so that other programs do not count.
double Micros() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) / 1e3;
}

struct Costs {
  double found = 0, largest = 0, masked = 0;
  int tokens = 0;
};

Costs Draw(const TokenConstraint& constraint, const std::vector<float>& row) {
  Costs costs;
  sampling::Workspace workspace;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    SeededStream random(seed);
    const auto cursor = constraint.Start();
    std::vector<float> logits;
    for (int i = 0; i < 200; ++i) {
      logits = row;
      const double start = Micros();
      const auto allowed = cursor->Allowed();
      double micros = (Micros() - start);
      const double masking = Micros();
      sampling::KeepAllowed(*allowed, &workspace, logits);
      costs.masked += Micros() - masking;
      if (allowed->ends_only) break;
      TokenId id = cursor->TowardsEnd();
      if (i < 100 && random.Uniform() < 0.8) {
        const auto at = allowed->few.empty() ? static_cast<TokenId>(random.Next() % row.size())
                                             : allowed->few[random.Next() % allowed->few.size()];
        if (allowed->Contains(at)) id = at;
      }
      const double appending = Micros();
      cursor->Append(id);
      micros += Micros() - appending;
      costs.found += micros;
      costs.largest = std::max(costs.largest, micros);
      ++costs.tokens;
    }
  }
  return costs;
}

void Run() {
  struct Workload {
    const char* name;
    std::string_view text;  // a schema, a GBNF grammar, or a regular expression
  };
  static constexpr Workload kWorkloads[] = {
      {"any object", R"({"type":"object"})"},
      {"record",
       R"({"type":"object","properties":{"name":{"type":"string"},"age":{"type":"integer","minimum":0,"maximum":150},"tags":{"type":"array","items":{"enum":["red","green","blue"]}},"address":{"type":"object","properties":{"street":{"type":"string"},"city":{"type":"string"}},"required":["street","city"]}},"required":["name","age","tags","address"]})"},
      {"lengths",
       R"({"type":"array","items":{"type":"string","minLength":3,"maxLength":40},"minItems":3})"},
      {"patterns",
       R"({"type":"object","properties":{"id":{"type":"string","format":"uuid"},"at":{"type":"string","format":"date-time"},"word":{"type":"string","pattern":"^[a-z]{1,30}$"}},"required":["id","at","word"]})"},
      {"recursion",
       R"({"$ref":"#/$defs/n","$defs":{"n":{"type":"object","properties":{"v":{"type":"string"},"c":{"type":"array","items":{"$ref":"#/$defs/n"}}},"required":["v","c"]}}})"},
      {"any text", R"([\s\S]*)"},
      {"counting", R"([\s\S]{1000,2000})"},
      {"GBNF", R"(root ::= [^<]{1000,2000})"}};
  const auto tokenizer = std::make_shared<grammar::BytesAndTexts>(Texts());
  const grammar::GrammarCompiler compiler(tokenizer);
  const std::vector<float> row(static_cast<size_t>(tokenizer->size()), 1.0f);
  WL_CHECK(compiler.Compile({.kind = grammar::GrammarSpec::Kind::kJsonObject}).ok());
  std::printf("%-12s %10s %8s | %21s | %21s | %8s\n", "schema", "compile ms", "tokens",
              "cold us mean, largest", "warm us mean, largest", "mask us");
  for (const Workload& one : kWorkloads) {
    const double start = Micros();
    grammar::GrammarSpec spec{.kind = grammar::GrammarSpec::Kind::kRegex};
    if (one.text.starts_with('{')) {
      spec.kind = grammar::GrammarSpec::Kind::kJsonSchema;
      spec.schema = boost::json::parse(one.text);
    } else {
      if (one.text.starts_with("root")) spec.kind = grammar::GrammarSpec::Kind::kGbnf;
      spec.text = one.text;
    }
    const auto constraint = compiler.Compile(spec);
    const double compile = (Micros() - start) / 1000;
    WL_CHECK(constraint.ok());
    const Costs cold = Draw(**constraint, row);
    const Costs warm = Draw(**constraint, row);
    std::printf("%-12s %10.2f %8d | %10.2f %10.1f | %10.2f %10.1f | %8.2f\n", one.name, compile,
                cold.tokens, cold.found / cold.tokens, cold.largest, warm.found / warm.tokens,
                warm.largest, warm.masked / warm.tokens);
  }
}

}  // namespace
}  // namespace waferline

int main() { waferline::Run(); }
