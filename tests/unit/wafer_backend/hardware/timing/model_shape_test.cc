#include "wafer_backend/hardware/timing/model_shape.h"

#include <catch2/catch.hpp>

#include "wafer_backend/base/strings.h"
#include "wafer_backend/hardware/timing/model_shape_file.h"

namespace waferline::timing {
namespace {

std::string Message(const absl::Status& status) { return std::string(Std(status.message())); }

ModelSizes Dense() {
  ModelSizes s;
  s.name = "dense";
  s.layers = 4;
  s.hidden = 64;
  s.heads = 8;
  s.kv_heads = 2;
  s.head_dim = 8;
  s.ffn = 100;
  s.vocab = 1000;
  return s;
}

TEST_CASE("every built-in shape adds up to its published size") {
  // Each file states parameters_billion, which the reader holds to 2 %.
  REQUIRE(BuiltInModelShapes().size() >= 12);
  for (const std::string& name : BuiltInModelShapes()) {
    const auto shape = LoadModelShape(name);
    INFO(name << ": " << shape.status());
    REQUIRE(shape.ok());
    CHECK(shape->name == name);
  }
  const struct {
    const char* name;
    double active_billion;
  } published[] = {{"llama-4-scout", 16.1},   {"llama-4-maverick", 16.1},
                   {"qwen3-235b-a22b", 21.6}, {"qwen3-coder-480b", 34.5},
                   {"gpt-oss-120b", 5.1},     {"glm-4.7", 32.9},
                   {"kimi-k2", 31.7},         {"deepseek-v3", 37}};
  for (const auto& [name, billion] : published) {
    INFO(name);
    CHECK(ActiveParameters(*LoadModelShape(name)) * 1e-9 == Approx(billion).epsilon(0.02));
  }
}

TEST_CASE("a dense layer by hand") {
  const ModelLayers layers = LayersOf(Dense());
  REQUIRE(layers.kinds.size() == 1);
  const LayerKind& k = layers.kinds[0];
  CHECK(k.attention_parameters == 64 * 64 * 2 + 64 * 16 * 2);
  CHECK(k.ffn_parameters == 3 * 64 * 100);
  CHECK(k.active_parameters == k.parameters());
  CHECK(k.kv_values_per_position == 32);
  CHECK(k.attention_macs_per_position == 128);
  CHECK(TotalParameters(Dense()) == 4 * k.parameters() + 2 * 64 * 1000);
}

TEST_CASE("experts and windows fall on the layers that the shape says") {
  ModelSizes s = Dense();
  s.layers = 8;
  s.experts = Experts{.total = 4, .active = 2, .shared = 1, .width = 10, .first = 2, .every = 1};
  s.window = SlidingWindow{.positions = 16, .every = 2};
  const ModelLayers layers = LayersOf(s);
  CHECK(layers.kinds.size() == 4);
  for (size_t i = 0; i < 8; ++i) {
    CHECK((layers.of(i).window == 16) == (i % 2 == 0));
    CHECK((layers.of(i).parameters() > layers.of(i).active_parameters) == (i >= 2));
  }
  s.experts->first = 0;
  s.experts->every = 2;
  for (size_t i = 0; i < 8; ++i) {
    CHECK((LayersOf(s).of(i).allreduces > layers.of(0).allreduces) == (i % 2 == 1));
  }
  const LayerKind& k = layers.of(7);
  CHECK(k.ffn_parameters == 64 * 4 + 3 * 64 * 10 * 5);
  CHECK(k.active_parameters == k.attention_parameters + 64 * 4 + 3 * 64 * 10 * 3);
}

TEST_CASE("impossible shapes are refused with every field at once") {
  ModelSizes s = Dense();
  s.layers = 0;
  s.hidden = -3;
  s.kv_heads = 3;
  s.vocab = int64_t{1} << 62;
  const std::string message = Message(CheckShape(s));
  INFO(message);
  CHECK(message.find("layers is 0") != std::string::npos);
  CHECK(message.find("hidden is -3") != std::string::npos);
  CHECK(message.find("no multiple of kv_heads 3") != std::string::npos);
  CHECK(message.find("vocab is") != std::string::npos);
  s = Dense();
  s.ffn = 0;
  CHECK_FALSE(CheckShape(s).ok());
  s.experts = Experts{.total = 4, .active = 5, .shared = 0, .width = 10};
  CHECK(Message(CheckShape(s)).find("experts.active") != std::string::npos);
  s.experts->active = 4;
  CHECK(CheckShape(s).ok());  // no dense layer, no ffn needed
}

TEST_CASE("a shape file whose numbers do not add up is refused") {
  const char* text =
      "name: x\nlayers: 4\nhidden: 64\nheads: 8\nhead_dim: 8\nffn: 100\nvocab: 1000\n";
  CHECK(ParseModelShape("x", text).ok());
  CHECK(Message(ParseModelShape("x", std::string(text) + "parameters_billion: 3\n").status())
            .find("adds up to") != std::string::npos);
  CHECK(Message(ParseModelShape("x", std::string(text) + "layer: 3\n").status())
            .find("x:8: layer: is not known") != std::string::npos);
  CHECK(Message(ParseModelShape("x", "name: x\nlayers: 1e30\n").status()).find("x:2: layers") !=
        std::string::npos);
}

TEST_CASE("a shape file says how many tokens each expert computed") {
  const std::string text =
      "name: x\nlayers: 4\nhidden: 64\nheads: 8\nhead_dim: 8\nvocab: 1000\n"
      "experts: {total: 4, active: 2, width: 8, tokens: ";
  const auto shape = ParseModelShape("x", text + "[30, 20, 10, 0]}\n");
  REQUIRE(shape.ok());
  CHECK(LayersOf(*shape).of(0).expert_chances == std::vector<double>{1, 2.0 / 3, 1.0 / 3, 0});
  CHECK(LayersOf(*ParseModelShape("x", text + "[]}\n")).of(0).expert_chances.empty());
  CHECK(Message(ParseModelShape("x", text + "[3, 3]}\n").status()).find("experts.tokens has 2") !=
        std::string::npos);
  CHECK(Message(ParseModelShape("x", text + "[3, x, 3, 3]}\n").status())
            .find("x:7: experts.tokens[1]") != std::string::npos);
}

TEST_CASE("config.json of the families in the field") {
  const auto llama = ParseHuggingFaceConfig("c", R"({"model_type": "llama", "hidden_size": 4096,
    "intermediate_size": 14336, "num_attention_heads": 32, "num_key_value_heads": 8,
    "num_hidden_layers": 32, "vocab_size": 128256, "tie_word_embeddings": false,
    "rope_scaling": {"factor": 8.0}})");
  INFO(llama.status());
  REQUIRE(llama.ok());
  CHECK(TotalParameters(*llama) == TotalParameters(*LoadModelShape("llama-3.1-8b")));

  const auto deepseek = ParseHuggingFaceConfig("c", R"({"model_type": "deepseek_v3",
    "hidden_size": 7168, "intermediate_size": 18432, "moe_intermediate_size": 2048,
    "n_routed_experts": 256, "n_shared_experts": 1, "num_experts_per_tok": 8,
    "first_k_dense_replace": 3, "moe_layer_freq": 1, "num_attention_heads": 128,
    "num_key_value_heads": 128, "num_hidden_layers": 61, "vocab_size": 129280,
    "kv_lora_rank": 512, "q_lora_rank": 1536, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64,
    "v_head_dim": 128})");
  REQUIRE(deepseek.ok());
  CHECK(TotalParameters(*deepseek) == TotalParameters(*LoadModelShape("deepseek-v3")));

  const auto maverick = ParseHuggingFaceConfig("c", R"({"model_type": "llama4", "text_config": {
    "model_type": "llama4_text", "hidden_size": 5120, "intermediate_size": 8192,
    "intermediate_size_mlp": 16384, "interleave_moe_layer_step": 2, "num_local_experts": 128,
    "num_experts_per_tok": 1, "num_attention_heads": 40, "num_key_value_heads": 8,
    "head_dim": 128, "num_hidden_layers": 48, "vocab_size": 202048}})");
  REQUIRE(maverick.ok());
  CHECK(TotalParameters(*maverick) == TotalParameters(*LoadModelShape("llama-4-maverick")));

  std::string types;
  for (int i = 0; i < 36; ++i) {
    types += std::string(i ? "," : "") + (i % 2 ? "\"full_attention\"" : "\"sliding_attention\"");
  }
  const auto oss = ParseHuggingFaceConfig("c", R"({"model_type": "gpt_oss", "hidden_size": 2880,
    "intermediate_size": 2880, "num_local_experts": 128, "num_experts_per_tok": 4, "head_dim": 64,
    "num_attention_heads": 64, "num_key_value_heads": 8, "num_hidden_layers": 36,
    "sliding_window": 128, "vocab_size": 201088, "layer_types": [)" +
                                                   types + "]}");
  INFO(oss.status());
  REQUIRE(oss.ok());
  CHECK(TotalParameters(*oss) == TotalParameters(*LoadModelShape("gpt-oss-120b")));
  REQUIRE(oss->window.has_value());
  CHECK(oss->window->every == 2);
}

TEST_CASE("windows are of the first n of every m layers") {
  ModelSizes s = Dense();
  s.layers = 12;
  s.window = SlidingWindow{.positions = 16, .every = 6, .layers = 5};
  std::vector<bool> windowed;
  for (size_t i = 0; i < 12; ++i) windowed.push_back(LayersOf(s).of(i).window == 16);
  CHECK(windowed == std::vector<bool>{true, true, true, true, true, false,  //
                                      true, true, true, true, true, false});
  const auto found = WindowOf(16, windowed);
  REQUIRE(found.has_value());
  CHECK(found->every == 6);
  CHECK(found->layers == 5);
  CHECK(WindowOf(16, {true, true, true})->every == 1);
  CHECK(WindowOf(16, {true, false, true, false})->every == 2);
  CHECK_FALSE(WindowOf(16, {false, true}).has_value());
  CHECK_FALSE(WindowOf(16, {true, false, true, true}).has_value());
  s.window->layers = 7;
  CHECK(Message(CheckShape(s)).find("window.layers") != std::string::npos);
}

TEST_CASE("a feed-forward part without a gate has two matrices") {
  ModelSizes s = Dense();
  const LayerKind gated = LayersOf(s).of(0);
  s.gated = false;
  const LayerKind plain = LayersOf(s).of(0);
  CHECK(plain.ffn_parameters * 3 == gated.ffn_parameters * 2);
  CHECK(plain.matrices.size() + 1 == gated.matrices.size());
  CHECK(plain.active_parameters == plain.parameters());
}

TEST_CASE("config.json that is none names the field") {
  CHECK(Message(ParseHuggingFaceConfig("c", "{").status()).find("not JSON") != std::string::npos);
  CHECK_FALSE(ParseHuggingFaceConfig("c", "[]").ok());
  CHECK(Message(ParseHuggingFaceConfig("c", "{}").status())
            .find("c: 'num_hidden_layers' is missing") != std::string::npos);
  CHECK(Message(ParseHuggingFaceConfig("c", R"({"num_hidden_layers": "8"})").status())
            .find("must be an integer") != std::string::npos);
  CHECK(Message(ParseHuggingFaceConfig("c", R"({"num_hidden_layers": 8, "hidden_size": 64,
      "num_attention_heads": 0, "intermediate_size": 9, "vocab_size": 1})")
                    .status())
            .find("heads is 0") != std::string::npos);
  CHECK(Message(ParseHuggingFaceConfig("c", R"({"num_hidden_layers": 8, "hidden_size": 64,
      "num_attention_heads": 1, "intermediate_size": 9, "vocab_size": -1})")
                    .status())
            .find("'vocab_size' must be an integer between 0 and") != std::string::npos);
  CHECK_FALSE(ParseHuggingFaceConfig("c", std::string(5000, '[')).ok());
}

}  // namespace
}  // namespace waferline::timing
