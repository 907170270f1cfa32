// Embeddings: a sequence a text, and what is wrong is named.
#include "server/openai/embeddings.h"

#include <catch2/catch.hpp>

#include "tests/unit/server/openai/request_cases.h"

namespace waferline::openai {

TEST_CASE("embeddings: a sequence a text, which generates nothing") {
  static const text::ModelCatalog catalog = ByteCatalog();
  const auto parsed = ParseEmbeddings(
      R"({"model":"mute","input":["a",[66,67]],"encoding_format":"base64","pooling":"last"})", {},
      catalog);
  REQUIRE(parsed.ok());
  REQUIRE(parsed->requests.size() == 2);
  for (const ValidRequest& request : parsed->requests) {
    CHECK(request.max_tokens == 0);
    CHECK(request.sampling.prompt_vector == PromptVector::kLast);
  }
  CHECK(*parsed->requests[1].prompt == std::vector<TokenId>{66, 67});
  std::vector<ChoiceResult> results(2);
  results[0].vector = {3, 4};
  results[1].vector = {0, -2};
  results[0].end.prompt_tokens = 1;
  results[1].end.prompt_tokens = 2;
  const std::string document = parsed->format(parsed->shape)->Document(results);
  // 0.6 and 0.8, 0 and -1, as little-endian float32.
  CHECK(document.find(R"("index":0,"embedding":"mpkZP83MTD8=")") != std::string::npos);
  CHECK(document.find(R"("index":1,"embedding":"AAAAAAAAgL8=")") != std::string::npos);
  CHECK(document.find(R"("usage":{"prompt_tokens":3,"total_tokens":3})") != std::string::npos);
  CHECK(document.find(R"("pooling":"last")") != std::string::npos);
}

TEST_CASE("embeddings: what is wrong is named") {
  static const text::ModelCatalog catalog = ByteCatalog();
  const auto [fields, param] = GENERATE(table<std::string, std::string>({
      {R"("input":"a","dimensions":4)", "dimensions"},
      {R"("input":"a","encoding_format":"int8")", "encoding_format"},
      {R"("input":"a","pooling":"cls")", "pooling"},
      {R"("input":[])", "input"},
      {R"("input":[["a"]])", "input[0][0]"},
      {R"("input":[{}])", "input[0]"},
      {R"("imput":"a")", "input"},
  }));
  INFO(fields);
  const auto parsed = ParseEmbeddings("{\"model\":\"mute\"," + fields + "}", {}, catalog);
  REQUIRE(!parsed.ok());
  INFO(Body(parsed.status()));
  CHECK(Body(parsed.status()).find("\"param\":\"" + param) != std::string::npos);
}

}  // namespace waferline::openai
