// JSON that is written by hand, errors, and the routes that answer about tokens.
#include "server/openai/json_text.h"

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <string>

#include "server/openai/api_error.h"
#include "server/openai/token_text.h"
#include "tests/unit/server/openai/answer_cases.h"
#include "wafer_backend/base/seeded_stream.h"

namespace waferline::openai {

TEST_CASE("JSON text is valid whatever the bytes") {
  const uint64_t seed = 7;
  INFO("seed " << seed);
  SeededStream random(seed);
  for (int round = 0; round < 2000; ++round) {
    std::string bytes;
    for (uint64_t i = random.Next() % 12; i > 0; --i) {
      bytes += static_cast<char>(random.Next() % 4 == 0 ? random.Next() % 128 : random.Next());
    }
    std::string quoted;
    AppendQuoted(quoted, bytes);
    json::error_code error;
    const json::value back = json::parse({quoted.data(), quoted.size()}, error);
    REQUIRE(!error);
    CHECK(Text(back) == ToUtf8(bytes));
    CHECK(IsUtf8(bytes) == (ToUtf8(bytes) == bytes));
  }
  std::string numbers;
  AppendNumber(numbers, -std::numeric_limits<float>::infinity());
  AppendNumber(numbers += ' ', std::nan(""));
  CHECK(numbers == "-9999 null");
}

TEST_CASE("errors in both shapes") {
  const absl::Status status = WithCode(FieldError("stop[1]", "must be \"x\""), "c");
  CHECK(ErrorBody(status) ==
        R"({"error":{"message":"must be \"x\"","type":"invalid_request_error",)"
        R"("param":"stop[1]","code":"c"}})");
  CHECK(ErrorBody(absl::UnavailableError("full"), ErrorShape::kFlat) ==
        R"({"message":"full","type":"service_unavailable_error","param":null,"code":null})");
  CHECK(HttpCode(absl::ResourceExhaustedError("")) == 429);
  CHECK(HttpCode(absl::DeadlineExceededError("")) == 504);
  CHECK(HttpCode(absl::InternalError("")) == 500);
}

TEST_CASE("tokenizer_info says what a client needs to tokenise and render by itself") {
  const text::ModelCatalog catalog = ByteCatalog();
  const auto info = TokenizerInfo("", catalog);
  REQUIRE(info.ok());
  const json::value all = json::parse(*info);
  CHECK(Text(all.at("model")) == "bytes");
  CHECK(Text(all.at("bos_token")) == "<s>");
  CHECK(Text(all.at("eos_token")) == "</s>");
  CHECK(all.at("add_bos_token").as_bool());
  CHECK(!all.at("add_eos_token").as_bool());
  CHECK(all.at("vocab_size") == 261);
  CHECK(all.at("model_max_length") == 1000);
  CHECK(Text(all.at("chat_template")).find("<|im_start|>") != std::string::npos);
  CHECK(json::parse(*TokenizerInfo("mute", catalog)).at("chat_template").is_null());
  CHECK(HttpCode(TokenizerInfo("gone", catalog).status()) == 404);
}

TEST_CASE("tokenize and detokenize undo each other") {
  const text::ModelCatalog catalog = ByteCatalog();
  const auto tokens = Tokenize(R"({"prompt":"ab","return_token_strs":true})", catalog, 0);
  REQUIRE(tokens.ok());
  CHECK(*tokens ==
        R"({"count":3,"max_model_len":1000,"tokens":[256,97,98],"token_strs":["<s>","a","b"]})");
  CHECK(*Tokenize(R"({"model":"mute","prompt":"","add_special_tokens":false})", catalog, 0) ==
        R"({"count":0,"max_model_len":1000,"tokens":[],"token_strs":null})");
  CHECK(*Detokenize(R"({"tokens":[256,97,98]})", catalog) == R"({"prompt":"<s>ab"})");
  CHECK(HttpCode(Detokenize(R"({"tokens":[300]})", catalog).status()) == 400);
  CHECK(HttpCode(Detokenize("{}", catalog).status()) == 400);
  CHECK(HttpCode(Tokenize("{}", catalog, 0).status()) == 400);
  CHECK(HttpCode(Tokenize(R"({"model":"x","prompt":""})", catalog, 0).status()) == 404);
  CHECK(json::parse(ModelList(catalog)).at("data").as_array().size() == catalog.all().size());
}

}  // namespace waferline::openai
