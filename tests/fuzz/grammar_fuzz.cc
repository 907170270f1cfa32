// fuzzes: wafer_backend/compute/grammar
//
// The first byte says what the rest is: a JSON schema, a regular expression, a grammar in GBNF, or
// a recipe of schema keywords picked by its bytes, so that they are met in pairs. It compiles or
// says why not; then a text is drawn, towards its end from time to time, and every token on the way
// is one of those that may come. A schema's text is JSON.
#include <boost/json/parse.hpp>
#include <cstdint>
#include <string>

#include "tests/unit/wafer_backend/compute/grammar/byte_vocabulary.h"
#include "wafer_backend/base/check.h"
#include "wafer_backend/base/seeded_stream.h"

namespace waferline::grammar {
namespace {

namespace json = boost::json;

constexpr int kFreeTokens = 60, kMaxTokens = 4000;

const char* const kValues[] = {R"({"type":"string"})",
                               R"({"type":["integer","null"]})",
                               R"({"enum":["a",1,[2],null]})",
                               R"({"const":2.5})",
                               R"({"minimum":3})",
                               R"({"exclusiveMaximum":-1.5})",
                               R"({"multipleOf":0.25})",
                               R"({"minLength":2,"maxLength":5})",
                               R"({"pattern":"^a|b$"})",
                               R"({"format":"date"})",
                               R"({"properties":{"a":{},"b":{"type":"boolean"}},"required":["a"]})",
                               R"({"additionalProperties":{"type":"null"}})",
                               R"({"patternProperties":{"^x":{"const":1}}})",
                               R"({"items":{"type":"integer"},"maxItems":3})",
                               R"({"prefixItems":[{"const":1},{}]})",
                               R"({"uniqueItems":true,"items":{"enum":[1,2,3]}})",
                               R"({"contains":{"const":1},"maxContains":2})",
                               R"({"unevaluatedProperties":false})",
                               R"({"unevaluatedItems":{"type":"string"}})",
                               R"({"minProperties":1,"maxProperties":2})",
                               R"({"propertyNames":{"maxLength":2}})",
                               R"({"dependentRequired":{"a":["b"]}})",
                               "true",
                               "false",
                               R"({"$ref":"#"})",
                               "{}"};
const char* const kCombining[] = {"allOf", "anyOf", "oneOf", "not", "if", "properties", "items"};

// A schema of those, nested as the bytes say.
json::value Recipe(const uint8_t** at, const uint8_t* end, int depth) {
  if (*at == end) return true;
  const uint8_t byte = *(*at)++;
  const size_t values = std::size(kValues);
  if (byte < 128 || depth > 6) return json::parse(kValues[byte % values]);
  const std::string keyword = kCombining[byte % std::size(kCombining)];
  json::array parts;
  for (int i = 0; i < 1 + (byte >> 3) % 3; ++i) parts.push_back(Recipe(at, end, depth + 1));
  if (keyword == "not" || keyword == "items") return json::object({{keyword, parts[0]}});
  if (keyword == "properties") {
    return json::object({{keyword, json::object({{"a", parts[0]}, {"b", parts.back()}})}});
  }
  if (keyword != "if") return json::object({{keyword, parts}});
  return json::object(
      {{"if", parts[0]}, {"then", parts.back()}, {"else", parts[parts.size() / 2]}});
}

GrammarSpec SpecOf(uint8_t kind, const uint8_t* data, const uint8_t* end) {
  const std::string text(data, end);
  switch (kind % 4) {
    case 0: {
      json::error_code error;
      GrammarSpec spec{.kind = GrammarSpec::Kind::kJsonSchema};
      spec.schema = json::parse(text, error, {}, {.max_depth = 64});
      if (error) spec.schema = true;
      return spec;
    }
    case 1:
      return {.kind = GrammarSpec::Kind::kRegex, .text = text};
    case 2:
      return {.kind = GrammarSpec::Kind::kGbnf, .text = text};
    default:
      return {.kind = GrammarSpec::Kind::kJsonSchema, .schema = Recipe(&data, end, 0)};
  }
}

void DrawText(const TokenConstraint& constraint, uint64_t seed, bool is_json) {
  SeededStream random(seed);
  const auto cursor = constraint.Start();
  std::string text;
  for (int i = 0; i < kMaxTokens; ++i) {
    const auto allowed = cursor->Allowed();
    TokenId id = cursor->TowardsEnd();
    WL_CHECK(allowed->Contains(id));
    const auto other = static_cast<TokenId>(random.Next() % (kFirstText + 1));
    if (i < kFreeTokens && random.Uniform() < 0.7 && allowed->Contains(other)) id = other;
    cursor->Append(id);
    if (id == kEnd) {
      json::error_code error;
      if (is_json) json::parse(text, error, {}, {.max_depth = 1000});
      WL_CHECK(!error);
      return;
    }
    if (id < 256) text += static_cast<char>(id);
  }
}

}  // namespace
}  // namespace waferline::grammar

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace waferline::grammar;
  if (size == 0) return 0;
  static const GrammarCompiler compiler(std::make_shared<BytesAndTexts>());
  const GrammarSpec spec = SpecOf(data[0], data + 1, data + size);
  const auto constraint = compiler.Compile(spec);
  if (!constraint.ok()) return 0;
  DrawText(**constraint, size, spec.kind == GrammarSpec::Kind::kJsonSchema);
  return 0;
}
