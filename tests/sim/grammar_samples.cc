// grammar_samples MODEL.gguf: for each line of standard input, a JSON object, draws texts that its
// grammar allows, with the model's vocabulary and without the model:
//
//   {"kind": "json_schema", "schema": ..., "seed": 7, "count": 3}
//   {"kind": "regex" or "gbnf", "text": ...}, {"kind": "choice", "choices": [...]}, {"kind":
//   "json_object"}
//
// A line a text set: {"texts": [...]} or {"error": "..."}. With "accepts": [texts] also which of
// them the grammar allows, as the vocabulary cuts them. Tokens are drawn evenly from what is
// allowed; from time to time, and always after kFreeTokens, the one that leads to the end.
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <cstdio>
#include <iostream>
#include <string>

#include "wafer_backend/base/seeded_stream.h"
#include "wafer_backend/base/strings.h"
#include "wafer_backend/compute/grammar/compiler.h"
#include "wafer_backend/compute/model/gguf.h"
#include "wafer_backend/compute/model/tokenizer.h"

namespace waferline {
namespace {

namespace json = boost::json;

constexpr int kFreeTokens = 60;
constexpr int kMaxTokens = 20'000;

grammar::GrammarSpec SpecOf(const json::object& line) {
  using Kind = grammar::GrammarSpec::Kind;
  grammar::GrammarSpec spec;
  const json::string& kind = line.at("kind").get_string();
  spec.kind = kind == "json_schema"   ? Kind::kJsonSchema
              : kind == "json_object" ? Kind::kJsonObject
              : kind == "regex"       ? Kind::kRegex
              : kind == "choice"      ? Kind::kChoice
                                      : Kind::kGbnf;
  if (line.contains("schema")) spec.schema = line.at("schema");
  if (line.contains("text")) spec.text = line.at("text").get_string();
  if (line.contains("choices")) {
    for (const json::value& one : line.at("choices").get_array()) {
      spec.choices.emplace_back(one.get_string());
    }
  }
  return spec;
}

TokenId Draw(const AllowedTokens& allowed, int64_t vocabulary, SeededStream* random) {
  if (!allowed.few.empty()) return allowed.few[random->Next() % allowed.few.size()];
  while (true) {
    const auto id = static_cast<TokenId>(random->Next() % static_cast<uint64_t>(vocabulary));
    if (allowed.Contains(id)) return id;
  }
}

std::string DrawText(const TokenConstraint& constraint, const model::Tokenizer& tokenizer,
                     SeededStream random) {
  const auto cursor = constraint.Start();
  std::vector<TokenId> ids;
  for (int i = 0; i < kMaxTokens; ++i) {
    const auto allowed = cursor->Allowed();
    const bool to_end = i >= kFreeTokens || random.Uniform() < 0.25;
    const TokenId id = to_end ? cursor->TowardsEnd() : Draw(*allowed, tokenizer.size(), &random);
    if (!allowed->Contains(id)) return "\"a token that is not allowed leads to the end\"x";
    cursor->Append(id);
    for (const TokenId end : tokenizer.end_ids()) {
      if (id == end) return tokenizer.Decode(ids);
    }
    ids.push_back(id);
  }
  return "\"the text does not end\"x";
}

bool Accepts(const TokenConstraint& constraint, const model::Tokenizer& tokenizer,
             const std::string& text) {
  const auto cursor = constraint.Start();
  for (const TokenId id : tokenizer.Encode(text, {.add_special = false, .parse_special = false})) {
    if (!cursor->Allowed()->Contains(id)) return false;
    cursor->Append(id);
  }
  return cursor->Allowed()->Contains(tokenizer.end_ids().front());
}

int Run(const char* path) {
  const auto file = model::GgufFile::Open(path);
  if (!file.ok()) return 2;
  const auto tokenizer = model::TokenizerFromGguf(**file);
  if (!tokenizer.ok()) return 2;
  const grammar::GrammarCompiler compiler(*tokenizer);
  std::string text;
  while (std::getline(std::cin, text)) {
    const json::object line = json::parse(text).as_object();
    json::object out;
    const auto constraint = compiler.Compile(SpecOf(line));
    if (!constraint.ok()) {
      out["error"] = std::string(Std(constraint.status().message()));
    } else {
      json::array texts;
      const SeededStream random(static_cast<uint64_t>(line.at("seed").to_number<int64_t>()));
      for (uint64_t i = 0; i < static_cast<uint64_t>(line.at("count").to_number<int64_t>()); ++i) {
        texts.emplace_back(DrawText(**constraint, **tokenizer, random.Fork(i)));
      }
      out["texts"] = std::move(texts);
      if (line.contains("accepts")) {
        json::array& accepts = out["accepts"].emplace_array();
        for (const json::value& one : line.at("accepts").get_array()) {
          accepts.emplace_back(Accepts(**constraint, **tokenizer, std::string(one.get_string())));
        }
      }
    }
    std::cout << json::serialize(out) << std::endl;
  }
  return 0;
}

}  // namespace
}  // namespace waferline

int main(int argc, char** argv) {
  if (argc == 2) return waferline::Run(argv[1]);
  std::fprintf(stderr, "usage: grammar_samples MODEL.gguf < specs.jsonl\n");
  return 2;
}
