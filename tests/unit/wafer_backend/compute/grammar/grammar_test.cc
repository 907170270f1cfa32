// Which texts each kind of grammar takes, and what is refused by name.
#include <boost/json/parse.hpp>
#include <catch2/catch.hpp>

#include "tests/unit/wafer_backend/compute/grammar/byte_vocabulary.h"
#include "wafer_backend/base/strings.h"

namespace waferline::grammar {
namespace {

using Kind = GrammarSpec::Kind;

absl::StatusOr<std::shared_ptr<const TokenConstraint>> Compile(const GrammarSpec& spec) {
  static const GrammarCompiler compiler(std::make_shared<BytesAndTexts>());
  return compiler.Compile(spec);
}

std::string Refusal(const GrammarSpec& spec) {
  const auto compiled = Compile(spec);
  REQUIRE(!compiled.ok());
  return std::string(compiled.status().message());
}

struct Case {
  std::string of;  // the grammar
  std::vector<std::string> taken, refused;
};

void Check(const GrammarSpec& spec, const Case& one) {
  const auto compiled = Compile(spec);
  INFO(one.of);
  INFO(compiled.status());
  REQUIRE(compiled.ok());
  for (const std::string& text : one.taken) {
    INFO(text);
    CHECK(Takes(**compiled, text));
  }
  for (const std::string& text : one.refused) {
    INFO(text);
    CHECK(!Takes(**compiled, text));
  }
}

void CheckSchema(const Case& one) {
  Check({.kind = Kind::kJsonSchema, .schema = boost::json::parse(one.of)}, one);
}

TEST_CASE("schemas of one value") {
  CheckSchema({R"({"type":"integer","minimum":-5,"exclusiveMaximum":120})",
               {"-5", "0", "119", "7"},
               {"-6", "120", "1.0", "00", "-0", ""}});
  CheckSchema({R"({"type":"number","exclusiveMinimum":0.5,"maximum":2})",
               {"0.51", "2", "2.0", "1.999"},
               {"0.5", "0.50", "2.01", "-1", "3"}});
  CheckSchema(
      {R"({"type":"integer","multipleOf":7,"maximum":-14})", {"-14", "-70"}, {"-7", "14", "-15"}});
  CheckSchema(
      {R"({"type":"string","minLength":2,"maxLength":3})",
       {"\"ab\"", "\"\u00e9\u20ac\U0001f600\"", R"("\n\"")", R"("\u001f\\")"},
       {"\"a\"", "\"abcd\"", "\"a\nb\"", "\"\xff\xfe\"", R"("\u0061b")", "\"\xed\xa0\x80x\""}});
  CheckSchema({R"({"type":"string","pattern":"b+$"})", {"\"ab\"", "\"bb\""}, {"\"ba\"", "\"\""}});
  CheckSchema({R"({"type":"string","pattern":"^a","maxLength":2})",
               {"\"a\"", "\"ab\""},
               {"\"ba\"", "\"abc\""}});
  CheckSchema({R"({"type":"string","format":"date"})",
               {"\"2024-02-28\""},
               {"\"2023-02-30\"", "\"2023-13-01\""}});
  CheckSchema({R"({"enum":["a",1,null,{"k":[true]}]})",
               {"\"a\"", "1", "null", R"({"k":[true]})"},
               {"\"b\"", "2", "{}"}});
  CheckSchema(
      {R"({"enum":["a",1,"long"],"type":"string","maxLength":2})", {"\"a\""}, {"1", "\"long\""}});
  CheckSchema({R"({"const":0.5})", {"0.5"}, {"0.50", "1"}});
  CheckSchema({R"({"type":["null","boolean"]})", {"null", "true", "false"}, {"0", "\"\""}});
  CheckSchema(
      {"true", {"null", "[1, {\"a\": \"b\"}]", "-1.5e+3"}, {"[1,  2]", "[1 ,2]", " 1", "01"}});
}

TEST_CASE("bounds beyond a double's digits are exact") {
  CheckSchema({R"({"type":"integer","minimum":1000000000000000})",
               {"1000000000000000", "9999999999999999"},
               {"999999999999999", "0", "-1000000000000000"}});
  CheckSchema({R"({"type":"integer","minimum":9007199254740993,"maximum":9223372036854775807})",
               {"9007199254740993", "9223372036854775807", "10000000000000000"},
               {"9007199254740992", "9223372036854775808", "1"}});
  CheckSchema(
      {R"({"type":"integer","minimum":-9223372036854775808,"exclusiveMaximum":18446744073709551615})",
       {"-9223372036854775808", "18446744073709551614", "0"},
       {"-9223372036854775809", "18446744073709551615"}});
  CheckSchema({R"({"type":"integer","exclusiveMinimum":9999999999999999})",
               {"10000000000000000"},
               {"9999999999999999"}});
  CheckSchema({R"({"type":"number","minimum":1e15,"maximum":1e18,"multipleOf":5})",
               {"1000000000000000", "1000000000000005"},
               {"1000000000000001", "5", "1000000000000000000000"}});
  // The tighter of two that are the same double.
  CheckSchema({R"({"type":"integer","maximum":9007199254740993,
                   "allOf":[{"exclusiveMaximum":9007199254740993}]})",
               {"9007199254740992"},
               {"9007199254740993"}});
  CheckSchema({R"({"enum":[9007199254740992,9007199254740993],"minimum":9007199254740993})",
               {"9007199254740993"},
               {"9007199254740992"}});
}

TEST_CASE("long lists of values take time in proportion, or are refused by name") {
  // Each comparison counts (work_meter.h): a list that is compared with itself is refused.
  std::string list = "[", other = "[";
  for (int i = 0; i < 20'000; ++i) {
    list += (i == 0 ? "" : ",") + ("\"" + std::to_string(i) + "\"");
    other += (i == 0 ? "" : ",") + ("\"" + std::to_string(i + 10'000) + "\"");
  }
  list += ']';
  other += ']';
  CheckSchema({"{\"enum\":" + list + "}", {"\"0\"", "\"19999\""}, {"\"20000\"", "\"x\""}});
  CheckSchema({"{\"enum\":" + list + ",\"allOf\":[{\"enum\":" + other + "}]}",
               {"\"10000\"", "\"19999\""},
               {"\"9999\"", "\"20000\""}});
  CheckSchema({"{\"enum\":" + list + ",\"not\":{\"enum\":" + other + "}}",
               {"\"0\"", "\"9999\""},
               {"\"10000\""}});
  CheckSchema({"{\"oneOf\":[{\"enum\":" + list + "},{\"enum\":" + other + "}]}",
               {"\"0\"", "\"29999\""},
               {"\"10000\""}});
  std::string numbers = "[0";
  for (int i = 1; i < 1000; ++i) numbers += "," + std::to_string(i);
  CheckSchema({"{\"type\":\"number\",\"not\":{\"enum\":" + numbers + ",0.5]}}",
               {"1000", "-1", "999.5", "0.51"},
               {"999", "7.0", "0.5", "0.50", "0"}});
  // Equal are 1 and 1.0, and objects in any order.
  CheckSchema({R"({"enum":[1,{"a":1,"b":2},3],"allOf":[{"enum":[1.0,{"b":2,"a":1.0}]}]})",
               {"1", "{\"b\":2,\"a\":1}"},
               {"3"}});
  std::string many = "[";
  for (int i = 0; i < 40'000; ++i) {
    many += (i == 0 ? "" : ",") + ("\"" + std::to_string(i * 7919 % 99991) + "abc\"");
  }
  CHECK_THAT(
      Refusal({.kind = Kind::kJsonSchema,
               .schema = boost::json::parse("{\"type\":\"object\",\"properties\":{"
                                            "\"a\":{\"enum\":" +
                                            many + "]}}}")}),
      Catch::Contains("'enum' at #/properties/a asks for too much: the grammar is too large"));
}

TEST_CASE("schemas of objects and arrays") {
  CheckSchema(
      {R"({"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"null"}},"required":["b"]})",
       {R"({"a":1,"b":null})", R"({"b": null})", R"({"a": 1, "b":null})"},
       {"{}", R"({"a":1})", R"({"b":null,"a":1})", R"({"b":null,"c":1})", R"({"b":null,})",
        R"({"b":  null})", R"({ "b":null})"}});
  // An additional property cannot be a declared one, however it is written.
  CheckSchema(
      {R"({"properties":{"a":{"type":"integer"}},"type":"object","additionalProperties":{"type":"null"}})",
       {R"({"a":1,"b":null})", R"({"c":null,"d":null})", "{}"},
       {R"({"a":null})", R"({"b":null,"a":null})", R"({"b":1})", R"({"\u0061":null})"}});
  CheckSchema(
      {R"({"type":"object","patternProperties":{"^x":{"type":"integer"}},"additionalProperties":{"type":"null"}})",
       {R"({"x1":1,"y":null})", "{}"},
       {R"({"x1":null})", R"({"y":1})"}});
  CheckSchema(
      {R"({"type":"object","propertyNames":{"pattern":"^[a-z]+$"},"minProperties":1,"maxProperties":2})",
       {R"({"a":1})", R"({"a":1,"b":2})"},
       {"{}", R"({"A":1})", R"({"a":1,"b":2,"c":3})"}});
  CheckSchema({R"({"type":"object","required":["k"]})",
               {R"({"k":1})", R"({"k":1,"z":2})"},
               {"{}", R"({"z":2})"}});
  CheckSchema({R"({"type":"array","items":{"type":"integer"},"minItems":1,"maxItems":3})",
               {"[1]", "[1, 2,3]"},
               {"[]", "[1,2,3,4]", "[\"a\"]", "[1,]"}});
  CheckSchema(
      {R"({"type":"array","prefixItems":[{"type":"integer"},{"type":"null"}],"items":false})",
       {"[]", "[1]", "[1,null]"},
       {"[null]", "[1,null,1]"}});
  CheckSchema({R"({"type":"array","items":[{"type":"integer"}],"additionalItems":{"type":"null"}})",
               {"[1,null,null]"},
               {"[1,1]"}});
}

TEST_CASE("schemas that are put together") {
  CheckSchema(
      {R"({"$ref":"#/$defs/list","$defs":{"list":{"type":"object","properties":{"next":{"anyOf":[{"$ref":"#/$defs/list"},{"type":"null"}]}},"required":["next"]}}})",
       {R"({"next":null})", R"({"next":{"next":{"next":null}}})"},
       {R"({"next":1})", "{}"}});
  CheckSchema({R"({"allOf":[{"type":"string","pattern":"a"},{"pattern":"b$"}],"maxLength":3})",
               {"\"ab\"", "\"aab\""},
               {"\"b\"", "\"aaab\"", "\"ba\""}});
  CheckSchema(
      {R"({"type":"object","properties":{"a":{"type":"integer"}},"allOf":[{"properties":{"a":{"minimum":3},"b":{"type":"null"}},"required":["a"]}]})",
       {R"({"a":3})", R"({"a":4,"b":null})"},
       {R"({"a":2})", "{}"}});
  CheckSchema(
      {R"({"oneOf":[{"type":"object","properties":{"k":{"const":"x"},"v":{"type":"integer"}},"required":["k","v"]},{"type":"object","properties":{"k":{"const":"y"}},"required":["k"]},{"type":"null"}]})",
       {R"({"k":"x","v":1})", R"({"k":"y"})", "null"},
       {R"({"k":"x"})", R"({"k":"y","v":1})"}});
  CheckSchema(
      {R"({"type":"integer","anyOf":[{"maximum":2},{"minimum":8}]})", {"2", "8", "-1"}, {"5"}});
}

TEST_CASE("a schema that cannot be honoured is refused by keyword and place") {
  const auto refusal = [](const char* schema) {
    return Refusal({.kind = Kind::kJsonSchema, .schema = boost::json::parse(schema)});
  };
  using Catch::Contains;
  CHECK_THAT(refusal(R"({"properties":{"a":{"not":{"format":"date"}}}})"),
             Contains("'format' at #/properties/a/not"));
  CHECK_THAT(refusal(R"({"type":"array","uniqueItems":true})"), Contains("'uniqueItems' at #"));
  CHECK_THAT(refusal(R"({"properties":{"a~/b":{"$dynamicRef":"#x"}}})"),
             Contains("'$dynamicRef' at #/properties/a~0~1b"));
  CHECK_THAT(refusal(R"({"maxLenght":1})"), Contains("'maxLenght' at #"));
  CHECK_THAT(refusal(R"({"const":18446744073709551617})"), Contains("'const' at #"));
  CHECK_THAT(refusal(R"({"enum":[{"k":-9223372036854775809}]})"), Contains("'enum' at #"));
  CHECK_THAT(refusal(R"({"minimum":18446744073709551617})"), Contains("'minimum' at #"));
  CHECK_THAT(refusal(R"({"type":"integer","maximum":-100000000000000000003})"),
             Contains("beyond 64 bits"));
  CHECK_THAT(refusal(R"({"oneOf":[{"type":"string"},{"format":"date"}]})"),
             Contains("'format' at #/oneOf/1"));
  CHECK_THAT(refusal(R"({"$ref":"http://x"})"), Contains("'$ref' at #"));
  CHECK_THAT(refusal(R"({"$ref":"#/$defs/a"})"), Contains("leads to nothing"));
  CHECK_THAT(refusal(R"({"$ref":"#"})"), Contains("leads back to itself"));
  CHECK_THAT(refusal(R"x({"pattern":"(?=a)"})x"), Contains("look-around"));
  CHECK_THAT(refusal(R"({"format":"colour"})"), Contains("'colour' is not a format"));
  CHECK_THAT(refusal(R"({"multipleOf":0.00000001})"), Contains("'multipleOf' at #"));
  CHECK_THAT(refusal(R"({"type":"strin"})"), Contains("'type' at #"));
  CHECK_THAT(refusal(R"({"maxLength":100000})"), Contains("larger than 16384"));
  CHECK_THAT(refusal(R"({"type":"string","pattern":"(a|b)*a(a|b){18}$"})"), Contains("too large"));
  CHECK_THAT(refusal(R"({"type":"integer","minimum":3,"maximum":2})"),
             Contains("no text can satisfy it"));
  CHECK_THAT(refusal(R"({"type":"object","properties":{"a":{"$ref":"#"}},"required":["a"]})"),
             Contains("no text can satisfy it"));
  CHECK_THAT(refusal("7"), Contains("must be an object"));
}

TEST_CASE("regular expressions match the whole text") {
  const auto check = [](const Case& one) { Check({.kind = Kind::kRegex, .text = one.of}, one); };
  check({"[a-c]{2,3}-\\d+(\u00e9|x)?", {"ab-1", "abc-22\u00e9", "cc-0x"}, {"a-1", "ab-", "ab-1y"}});
  check({"^(yes|no)$", {"yes", "no"}, {"yesno", ""}});
  check({"(?:a|b)*?c|", {"c", "abac", ""}, {"ab"}});
  check({"[^\\n]\\x41\\u0042\\.", {"zAB.", "\u20acAB."}, {"\nAB.", "zABx"}});
  check({"a(^b|c$)", {"ac"}, {"ab"}});
  for (const char* bad :
       {"a++", "(a", "a)", "[a", "\\1", "\\b", "(?<!a)b", "a{2", "{2}", "\\q", "[z-a]", "*a"}) {
    INFO(bad);
    CHECK(!Compile({.kind = Kind::kRegex, .text = bad}).ok());
  }
}

TEST_CASE("choices and GBNF") {
  Check({.kind = Kind::kChoice, .choices = {"yes", "yes, but", "\u00fc"}},
        {"choice", {"yes", "yes, but", "\u00fc"}, {"yes,", "no", ""}});
  const auto check = [](const Case& one) { Check({.kind = Kind::kGbnf, .text = one.of}, one); };
  check({"# sums\nroot ::= term (\"+\" term)*\nterm ::= [0-9]+ |\n  \"(\" root \")\"\n",
         {"1", "12+(3+4)", "((7))"},
         {"+1", "(1", ""}});
  check({"root ::= \"\\u20ac\\n\"{2} [^a-c]? x-1\nx-1 ::= \"\" | .{1,2}\n",
         {"\u20ac\n\u20ac\n", "\u20ac\n\u20ac\nzxy"},
         {"\u20ac\n", "\u20ac\n\u20ac\nxxxx"}});
  CHECK_THAT(Refusal({.kind = Kind::kGbnf, .text = "root ::= a\n"}),
             Catch::Contains("not defined"));
  CHECK_THAT(Refusal({.kind = Kind::kGbnf, .text = "a ::= \"x\"\n"}),
             Catch::Contains("no rule root"));
  CHECK_THAT(Refusal({.kind = Kind::kGbnf, .text = "root ::= \"a\"\nroot ::= \"b\""}),
             Catch::Contains("line 2"));
  CHECK_THAT(
      Refusal({.kind = Kind::kGbnf, .text = "root ::= e\ne ::= b? e \"+\" | \"1\"\nb ::= \"\""}),
      Catch::Contains("'e' is left-recursive"));
}

TEST_CASE("grammars of more ways than are followed are refused, or end, but never a crash") {
  const auto gbnf = [](const std::string& text) {
    return GrammarSpec{.kind = Kind::kGbnf, .text = text};
  };
  Check(gbnf("root ::= a{1000}\na ::= \"\""), {"empty parts", {""}, {"x"}});
  Check(gbnf("root ::= \"x\" a{1000} \"y\"\na ::= \"\""),
        {"empty parts inside", {"xy"}, {"x", "y"}});
  CHECK_THAT(Refusal(gbnf("root ::= a{1000} \"Q\"\na ::= [@]?")), Catch::Contains("512 ways"));
}

TEST_CASE("control tokens and invalid bytes are never allowed") {
  const auto any = Compile({.kind = Kind::kGbnf, .text = "root ::= .*"});
  const auto allowed = (*any)->Start()->Allowed();
  CHECK(allowed->Contains('a'));
  CHECK(allowed->Contains(0xc3));
  CHECK(allowed->Contains(kEnd));
  CHECK(!allowed->Contains(kCall));
  for (const TokenId byte : {0x80, 0xc0, 0xff}) CHECK(!allowed->Contains(byte));
}

TEST_CASE("a complete text is followed by end tokens only") {
  const auto compiled = Compile({.kind = Kind::kChoice, .choices = {"ab"}});
  const auto cursor = (*compiled)->Start();
  CHECK(cursor->Allowed()->few == std::vector<TokenId>{'a'});
  CHECK(cursor->TowardsEnd() == 'a');
  cursor->Append('a');
  cursor->Append('b');
  for (int i = 0; i < 3; ++i) {
    CHECK(cursor->Allowed()->ends_only);
    CHECK(cursor->Allowed()->few == std::vector<TokenId>{kEnd});
    CHECK(cursor->TowardsEnd() == kEnd);
    cursor->Append(kEnd);
  }
}

TEST_CASE("nesting is bounded, and every text that was begun can be completed") {
  const auto compiled = Compile({.kind = Kind::kJsonSchema, .schema = true});
  const auto cursor = (*compiled)->Start();
  int depth = 0;
  while (cursor->Allowed()->Contains('[')) {
    cursor->Append('[');
    ++depth;
  }
  CHECK(depth > 60);
  CHECK(depth <= static_cast<int>(kMaxDepth) + 1);
  int left = 0;
  while (!cursor->Allowed()->ends_only && left < 10 * depth) {
    cursor->Append(cursor->TowardsEnd());
    ++left;
  }
  CHECK(cursor->Allowed()->ends_only);
}

}  // namespace
}  // namespace waferline::grammar
