// What the files of a checkpoint must not say.
#include <boost/json/array.hpp>
#include <catch2/catch.hpp>
#include <functional>

#include "tests/unit/wafer_backend/compute/model/checkpoint_folder.h"
#include "wafer_backend/compute/model/checkpoint.h"
#include "wafer_backend/compute/model/families/families.h"

namespace waferline::model {
namespace {

TEST_CASE("Gemma 3's config.json: layers of two kinds, and what is refused") {
  test::RandomModelSpec spec = SpecOf("gemma3");
  spec.layers = 7;
  spec.window = 5;
  const auto error_with = [&](const std::function<void(json::object&)>& change) {
    const Folder folder;
    CheckpointWriter writer(*RandomFile(spec));
    change(writer.config);
    writer.Write(folder.path());
    const auto file = GgufFile::Open(folder.path());
    if (!file.ok()) return std::string(file.status().message());
    const auto shape = ReadShape(**file);
    INFO(shape.status());
    REQUIRE(shape.ok());
    for (int64_t i = 0; i < 7; ++i) {
      CHECK(shape->plan[i].window == (i == 5 ? 0 : 5));
      CHECK(shape->plan[i].rotary == (i == 5 ? 0 : 1));
    }
    CHECK(shape->rotaries[0].base == 10000);
    CHECK(shape->rotaries[1].base == 20000);
    return std::string();
  };
  const auto types = [](json::object& config, size_t layer, const char* kind) {
    config.erase("sliding_window_pattern");
    json::array list(7, "sliding_attention");
    list[5] = "full_attention";
    list[layer] = kind;
    config["layer_types"] = list;
  };
  CHECK(error_with([](auto& c) { c["rope_local_base_freq"] = 20000; }).empty());
  CHECK(error_with([&](auto& c) {  // as newer files say it
          types(c, 5, "full_attention");
          c.erase("rope_local_base_freq");
          c.erase("rope_theta");
          c["rope_parameters"] = {
              {"full_attention", json::object{{"rope_type", "default"}, {"rope_theta", 10000}}},
              {"sliding_attention", json::object{{"rope_type", "default"}, {"rope_theta", 20000}}}};
        })
            .empty());
  CHECK(Holds(error_with([&](auto& c) { types(c, 6, "full_attention"); }), "layer_types[6]"));
  CHECK(Holds(error_with([&](auto& c) { types(c, 0, "linear_attention"); }), "layer_types[0]"));
  CHECK(Holds(error_with([](auto& c) { c["query_pre_attn_scalar"] = 7; }),
              "query_pre_attn_scalar is 7, expected 16"));
  CHECK(Holds(error_with([](auto& c) { c.erase("sliding_window"); }), "'sliding_window'"));
  CHECK(Holds(error_with([](auto& c) { c["use_bidirectional_attention"] = true; }),
              "use_bidirectional_attention"));
  CHECK(Holds(error_with([](auto& c) { c["hidden_activation"] = "silu"; }),
              "hidden_activation is \"silu\", expected gelu_pytorch_tanh"));
}

TEST_CASE("what config.json, tokenizer.json and the weights must not say") {
  const auto config = [](const char* field, json::value value) {
    return FolderErrorOf(SpecOf("llama"), [&](CheckpointWriter& w) { w.config[field] = value; });
  };
  CHECK(Holds(config("model_type", "gemma2"), "llama, qwen2, qwen3 and gemma3_text"));
  CHECK(Holds(config("hidden_act", "gelu"), "hidden_act is \"gelu\", expected silu"));
  CHECK(Holds(config("num_hidden_layers", 0), "'num_hidden_layers' must be an integer between 1"));
  CHECK(Holds(config("num_hidden_layers", nullptr), "'num_hidden_layers' is missing"));
  CHECK(Holds(config("use_sliding_window", true), "use_sliding_window"));
  CHECK(Holds(config("quantization_config", json::object{}), "quantization_config"));
  CHECK(Holds(config("rope_scaling", json::object{{"type", "dynamic"}, {"factor", 2}}),
              "\"dynamic\""));
  CHECK(Holds(config("vocab_size", 7), "vocab_size is 7, but model.embed_tokens.weight has"));
  CHECK(Holds(config("num_attention_heads", 3), "not 3 heads of an even size"));

  const auto tokenizer = [](const std::function<void(json::object&)>& spoil) {
    return FolderErrorOf(SpecOf("llama"), [&](CheckpointWriter& w) { spoil(w.tokenizer); });
  };
  CHECK(
      Holds(tokenizer([](auto& t) { t["model"].as_object()["type"] = "Unigram"; }), "\"Unigram\""));
  CHECK(Holds(tokenizer([](auto& t) { t["model"].as_object()["byte_fallback"] = true; }),
              "byte_fallback"));
  CHECK(Holds(tokenizer([](auto& t) { t["model"].as_object()["vocab"].as_object()["x!"] = 99999; }),
              "the id 99999 of \"x!\" is out of range"));
  CHECK(Holds(tokenizer([](auto& t) { t["model"].as_object()["vocab"].as_object()["x!"] = 3; }),
              "is of"));
  CHECK(Holds(tokenizer([](auto& t) { t["model"].as_object()["merges"] = json::array{1}; }),
              "model.merges[0]"));
  CHECK(Holds(tokenizer([](auto& t) {
                t["normalizer"] = json::object{{"type", "NFKC"}};
              }),
              "\"NFKC\""));
  CHECK(Holds(tokenizer([](auto& t) {
                t["pre_tokenizer"] = json::object{{"type", "Metaspace"}};
              }),
              "\"Metaspace\""));
  CHECK(
      Holds(tokenizer([](auto& t) {
              t["pre_tokenizer"].as_object()["pretokenizers"].as_array()[0].as_object()["pattern"] =
                  json::object{{"Regex", "(a+)+$"}};
            }),
            "no known model cuts texts so: \"(a+)+$\""));
  CHECK(Holds(
      FolderErrorOf(SpecOf("llama"), [](auto& w) { w.tokenizer_config["eos_token"] = "<none>"; }),
      "\"<none>\", which is not a token"));

  CHECK(Holds(
      FolderErrorOf(SpecOf("llama"),
                    [](auto& w) { w.tensors[3].name = "model.layers.0.self_attn.rel.weight"; }),
      "is not part of a llama model"));
  CHECK(Holds(FolderErrorOf(SpecOf("llama"), [](auto& w) { w.tensors[3].dtype = "I32"; }),
              "F32, F16 and BF16 can be read"));
  CHECK(Holds(FolderErrorOf(SpecOf("llama"),
                            [](auto& w) {
                              std::erase_if(w.tensors,
                                            [](auto& t) { return t.name == "lm_head.weight"; });
                            }),
              "\"lm_head.weight\" is missing"));
}

}  // namespace
}  // namespace waferline::model
