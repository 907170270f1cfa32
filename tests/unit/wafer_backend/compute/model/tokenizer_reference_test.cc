// The tokenizers against what the reference libraries say: see cases/make_cases.py.
#include <boost/json.hpp>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "tests/support/gguf_writer.h"
#include "wafer_backend/compute/model/normal_form.h"
#include "wafer_backend/compute/model/tokenizer.h"

namespace waferline::model {
namespace {

namespace json = boost::json;

json::array ReadCases(const char* name) {
  const char* other = std::getenv("WAFERLINE_TOKENIZER_CASES");
  const std::string path = std::string(other ? other : WAFERLINE_CASES_DIR) + "/" + name;
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  INFO(path);
  REQUIRE(file.good());
  return json::parse(text.str()).as_array();
}

template <typename T>
std::vector<T> VectorOf(const json::value& value) {
  return json::value_to<std::vector<T>>(value);
}

std::shared_ptr<const Tokenizer> Build(const test::GgufWriter& writer) {
  auto file = GgufFile::FromBytes(writer.Bytes());
  REQUIRE(file.ok());
  auto tokenizer = TokenizerFromGguf(**file);
  INFO(tokenizer.status().message());
  REQUIRE(tokenizer.ok());
  return *tokenizer;
}

enum class Back { kExact, kNormalised, kLossy };

void CheckCases(const Tokenizer& tokenizer, const json::array& cases, Back back) {
  size_t wrong = 0, lost = 0;
  for (const json::value& c : cases) {
    const auto text = json::value_to<std::string>(c.at("text"));
    const auto expected = VectorOf<TokenId>(c.at("ids"));
    const auto ids = tokenizer.Encode(text, {.add_special = false});
    if (ids != expected && ++wrong <= 3) {
      UNSCOPED_INFO("text " << json::serialize(c.at("text")) << "\n  expected "
                            << json::serialize(c.at("ids")) << "\n  got      "
                            << json::serialize(json::value_from(ids)));
    }
    const std::string whole = back == Back::kNormalised ? FormC(text) : text;
    if (back != Back::kLossy && tokenizer.Decode(ids) != whole && ++lost <= 3) {
      UNSCOPED_INFO("does not come back: " << json::serialize(c.at("text")));
    }
  }
  CHECK(wrong == 0);
  CHECK(lost == 0);
  CHECK(cases.size() > 100);
}

TEST_CASE("byte-level BPE gives the tokens that Hugging Face's library gives") {
  for (const json::value& family : ReadCases("byte_pair.json")) {
    const auto pre = json::value_to<std::string>(family.at("pre"));
    INFO(pre);
    test::GgufWriter writer;
    writer.SetString("tokenizer.ggml.model", "gpt2")
        .SetString("tokenizer.ggml.pre", pre)
        .SetBool("tokenizer.ggml.add_bos_token", false)
        .SetStrings("tokenizer.ggml.tokens", VectorOf<std::string>(family.at("tokens")))
        .SetInts("tokenizer.ggml.token_type", VectorOf<int32_t>(family.at("types")))
        .SetStrings("tokenizer.ggml.merges", VectorOf<std::string>(family.at("merges")));
    CheckCases(*Build(writer), family.at("cases").as_array(),
               pre == "qwen2" ? Back::kNormalised : Back::kExact);
  }
}

TEST_CASE("SentencePiece gives the tokens that the library gives") {
  for (const json::value& family : ReadCases("sentence_piece.json")) {
    const bool prefix = family.at("add_space_prefix").as_bool();
    const auto types = VectorOf<int32_t>(family.at("types"));
    const bool bytes = std::count(types.begin(), types.end(), 6) == 256;
    INFO("add_space_prefix " << prefix << ", byte tokens " << bytes);
    test::GgufWriter writer;
    writer.SetString("tokenizer.ggml.model", "llama")
        .SetUint("tokenizer.ggml.unknown_token_id", 0)
        .SetUint("tokenizer.ggml.bos_token_id", 1)
        .SetUint("tokenizer.ggml.eos_token_id", 2)
        .SetBool("tokenizer.ggml.add_space_prefix", prefix)
        .SetStrings("tokenizer.ggml.tokens", VectorOf<std::string>(family.at("tokens")))
        .SetInts("tokenizer.ggml.token_type", types)
        .SetFloats("tokenizer.ggml.scores", VectorOf<float>(family.at("scores")));
    CheckCases(*Build(writer), family.at("cases").as_array(), bytes ? Back::kExact : Back::kLossy);
  }
}

}  // namespace
}  // namespace waferline::model
