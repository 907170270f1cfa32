// Calls are found in a text however it is cut.
#include "server/text/tool_call_reader.h"

#include <catch2/catch.hpp>

namespace waferline::text {
namespace {

using Part = ToolCallReader::Part;

const grammar::ToolCallForm kHermes{.name = "hermes",
                                    .begin = "<tool_call>\n",
                                    .head = "{\"name\": \"",
                                    .middle = "\", \"arguments\": ",
                                    .tail = "}\n</tool_call>",
                                    .between = "\n<tool_call>\n"};
const grammar::ToolCallForm kLlama{.name = "llama3_json",
                                   .head = "{\"name\": \"",
                                   .middle = "\", \"parameters\": ",
                                   .tail = "}",
                                   .between = "; ",
                                   .only_alone = true};

// What the parts add up to: text, then name(arguments) of each call.
std::string Sum(const grammar::ToolCallForm& form, const std::string& text, size_t step) {
  ToolCallReader reader(form);
  std::string sum;
  const auto add = [&](const std::vector<Part>& parts) {
    for (const Part& part : parts) {
      sum += part.kind == Part::kCall ? "|" + part.text + ":" : part.text;
    }
  };
  for (size_t i = 0; i < text.size(); i += step) add(reader.Feed(text.substr(i, step)));
  add(reader.Finish());
  return sum;
}

TEST_CASE("calls are found however the text is cut") {
  const auto step = GENERATE(as<size_t>(), 1, 2, 3, 7, 1000);
  CHECK(Sum(kHermes, "plain < text <tool", step) == "plain < text <tool");
  CHECK(Sum(kHermes,
            "Let me see.\n<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": "
            "\"}\\\"{\", \"b\": [{}]}}\n</tool_call>",
            step) == "Let me see.|f:{\"a\": \"}\\\"{\", \"b\": [{}]}");
  CHECK(Sum(kHermes,
            "<tool_call>\n{\"name\": \"f\", \"arguments\": {}}\n</tool_call>\n<tool_call>\n"
            "{\"name\": \"g\", \"arguments\": {\"x\":1}}\n</tool_call>",
            step) == "|f:{}|g:{\"x\":1}");
  CHECK(Sum(kLlama, "{\"name\": \"f\", \"parameters\": {\"a\":1}}", step) == "|f:{\"a\":1}");
  CHECK(Sum(kLlama, "no {\"name\": \"f\", \"parameters\": {}}", step) ==
        "no {\"name\": \"f\", \"parameters\": {}}");
  // Cut short.
  CHECK(Sum(kHermes, "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": [1", step) ==
        "|f:{\"a\": [1");
  CHECK(Sum(kHermes, "<tool_call>\n{\"name\": \"f", step).empty());
}

TEST_CASE("calls are whole when each that began has ended") {
  const auto whole = [](const grammar::ToolCallForm& form, const std::string& text) {
    ToolCallReader reader(form);
    (void)reader.Feed(text);
    (void)reader.Finish();
    return reader.calls_are_whole();
  };
  const std::string call =
      "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": 1}}\n</tool_call>";
  CHECK_FALSE(whole(kHermes, "text"));
  CHECK(whole(kHermes, "text " + call));
  CHECK(whole(kHermes, call + "\n" + call));
  CHECK_FALSE(whole(kHermes, "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": 1"));
  CHECK_FALSE(whole(kHermes, call + "\n<tool_call>\n{\"name\": \"g\", \"arguments\": {"));
}

TEST_CASE("a call that is cut short leaves none of its marks") {
  const auto step = GENERATE(as<size_t>(), 1, 3, 1000);
  grammar::ToolCallForm form = kHermes;
  form.opening = "<tool_call>";
  const std::string call = "<tool_call>\n{\"name\": \"f\", \"arguments\": {";
  // In free text a mark's part may be text, a whole one is none.
  CHECK(Sum(form, "Well <tool_ca", step) == "Well <tool_ca");
  for (const char* cut : {"<tool_call>", "<tool_call>\n{\"na", "\n<tool_call>\n{\"name\": \""}) {
    CHECK(Sum(form, "Well" + std::string(cut), step) == "Well");
  }
  for (const auto& forced : {form, kLlama}) {
    const std::string whole = forced.begin + forced.head;
    for (size_t size = 0; size <= whole.size(); ++size) {
      ToolCallReader reader(forced, true);
      CHECK(reader.Feed(whole.substr(0, size)).empty());
      CHECK(reader.Finish().empty());
      CHECK(reader.calls() == 0);
    }
  }
}

const grammar::ToolCallForm kTagged{.name = "qwen3_coder",
                                    .begin = "<tool_call>\n",
                                    .head = "<function=",
                                    .middle = ">\n",
                                    .tail = "</function>\n</tool_call>",
                                    .between = "\n<tool_call>\n",
                                    .key_begin = "<parameter=",
                                    .key_end = ">\n",
                                    .value_end = "\n</parameter>\n",
                                    .bare = {{"f", "text"}}};

TEST_CASE("tagged arguments are given as JSON, however the text is cut") {
  const auto step = GENERATE(as<size_t>(), 1, 2, 5, 1000);
  const std::string begin = "Well.\n<tool_call>\n<function=f>\n", end = "</function>\n</tool_call>";
  CHECK(Sum(kTagged, begin + end, step) == "Well.|f:{}");
  CHECK(Sum(kTagged,
            begin +
                "<parameter=text>\na \"b\"\n\n</para\n</parameter>\n<parameter=n>\n[1, \"\n"
                "</parameter>\n\"]\n</parameter>\n" +
                end,
            step) ==
        "Well.|f:{\"text\": \"a \\\"b\\\"\\n\\n</para\", \"n\": [1, \"\n</parameter>\n\"]}");
  CHECK(Sum(kTagged,
            begin + end + "\n<tool_call>\n<function=g>\n<parameter=text>\n\"x\"\n</parameter>\n" +
                end,
            step) == "Well.|f:{}|g:{\"text\": \"x\"}");
  // Cut short.
  CHECK(Sum(kTagged, begin + "<parameter=text>\nhal", step) == "Well.|f:{\"text\": \"hal");
}

TEST_CASE("keyword arguments of Python are given as JSON") {
  const auto step = GENERATE(as<size_t>(), 1, 2, 5, 1000);
  grammar::ToolCallForm form{.name = "pythonic",
                             .begin = "[",
                             .middle = "(",
                             .tail = ")",
                             .between = ", ",
                             .end = "]",
                             .only_alone = true,
                             .key_end = "=",
                             .separator = ", ",
                             .python = true};
  CHECK(Sum(form, "[f()]", step) == "|f:{}");
  CHECK(
      Sum(form, "[f(a=True, b=\"None, )\\\"\", c=[1, False, {\"k\": None}]), g(x=-1.5)]", step) ==
      "|f:{\"a\": true, \"b\": \"None, )\\\"\", \"c\": [1, false, {\"k\": null}]}|g:{\"x\": -1.5}");
  CHECK(Sum(form, "see [f()]", step) == "see [f()]");
  CHECK(Sum(form, "[f(a=Tru", step) == "|f:{\"a\": true");
  form.begin = "<|s|>[";
  form.end = "]<|e|>";
  form.only_alone = false;
  CHECK(Sum(form, "I look. <|s|>[f(a=1)]<|e|>", step) == "I look.|f:{\"a\": 1}");
}

TEST_CASE("a call that ends the answer") {
  const auto step = GENERATE(as<size_t>(), 1, 4, 1000);
  const grammar::ToolCallForm form{.name = "gpt_oss",
                                   .head = "<|channel|>commentary to=functions.",
                                   .middle = " <|constrain|>json<|message|>",
                                   .one_call = true};
  CHECK(Sum(form, "<|channel|>commentary to=functions.f <|constrain|>json<|message|>{\"a\": 1}",
            step) == "|f:{\"a\": 1}");
  CHECK(Sum(form, "Yes.", step) == "Yes.");
}

const grammar::ToolCallForm kBars{.name = "deepseek_v3",
                                  .begin = "<|calls|>",
                                  .head = "<|call|>function<|sep|>",
                                  .middle = "\n```json\n",
                                  .tail = "\n```<|end|>",
                                  .between = "\n",
                                  .end = "<|calls end|>"};

TEST_CASE("calls with marks around each and around all") {
  const auto step = GENERATE(as<size_t>(), 1, 3, 1000);
  CHECK(
      Sum(kBars,
          "Yes.<|calls|><|call|>function<|sep|>f\n```json\n{\"a\": 1}\n```<|end|>\n<|call|>function"
          "<|sep|>g\n```json\n{}\n```<|end|><|calls end|>",
          step) == "Yes.|f:{\"a\": 1}|g:{}");
}

}  // namespace
}  // namespace waferline::text
