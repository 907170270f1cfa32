#include "scheduler/fleet/timed_shape.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <string>

#include "tests/support/random_model.h"
#include "tests/support/temporary_folder.h"
#include "wafer_backend/base/files.h"

namespace waferline::fleet {
namespace {

TEST_CASE("a model is a shape's name, a YAML file, a config.json or a GGUF file") {
  const std::string deploy = std::string(WAFERLINE_SOURCE_DIR) + "/deploy/";
  const auto named = LoadTimedShape("llama-3.1-8b");
  const auto yaml = LoadTimedShape(deploy + "model-shapes/llama-3.1-8b.yaml");
  REQUIRE(named.ok());
  REQUIRE(yaml.ok());
  CHECK(named->shape.layers == 32);
  CHECK(yaml->shape.hidden == named->shape.hidden);
  CHECK(named->context == Tokens());

  const test::TemporaryFolder folder;
  const std::string json = folder.File("config.json");
  REQUIRE(WriteFile(json,
                    "{\"num_hidden_layers\": 2, \"hidden_size\": 64, \"num_attention_heads\": 4, "
                    "\"intermediate_size\": 128, \"vocab_size\": 100}")
              .ok());
  const auto hugging_face = LoadTimedShape(json);
  INFO(hugging_face.status().message());
  REQUIRE(hugging_face.ok());
  CHECK(hugging_face->shape.head_dim == 16);

  const auto gguf = LoadTimedShape(deploy + "models/demo.gguf");
  INFO(gguf.status().message());
  REQUIRE(gguf.ok());
  CHECK(gguf->shape.layers > 0);
  CHECK(gguf->context > Tokens());

  CHECK(LoadTimedShape("no-such-model").status().code() == absl::StatusCode::kNotFound);
  CHECK(!LoadTimedShape("gone.gguf").ok());
}

TEST_CASE("a GGUF file's experts are timed") {
  const test::TemporaryFolder folder;
  const std::string path = folder.File("experts.gguf");
  REQUIRE(WriteFile(path, test::RandomModelBytes({.architecture = "llama4", .layers = 4})).ok());
  const auto alternating = LoadTimedShape(path);
  INFO(alternating.status().message());
  REQUIRE(alternating.ok());
  REQUIRE(alternating->shape.experts.has_value());
  CHECK(alternating->shape.experts->total == 8);
  CHECK(alternating->shape.experts->active == 1);
  CHECK(alternating->shape.experts->shared == 1);
  CHECK(alternating->shape.experts->width == 32);
  CHECK(alternating->shape.experts->first == 1);
  CHECK(alternating->shape.experts->every == 2);
}

TEST_CASE("a GGUF file of any dense family is timed with its sizes") {
  const test::TemporaryFolder folder;
  const std::string path = folder.File("dense.gguf");
  for (const std::string& family : test::ModelFamilies()) {
    if (family == "deepseek2") continue;  // latent KV, with heads of its own
    test::RandomModelSpec spec{.architecture = family, .layers = 7, .hidden = 48, .ffn = 96};
    spec.head_dim = 12;
    spec.window = 20;
    spec.tied_embeddings = true;
    REQUIRE(WriteFile(path, test::RandomModelBytes(spec)).ok());
    const auto timed = LoadTimedShape(path);
    INFO(family << ": " << timed.status());
    REQUIRE(timed.ok());
    const timing::ModelSizes& shape = timed->shape;
    CHECK(shape.hidden == 48);
    CHECK(shape.heads == 4);
    CHECK(shape.kv_heads == 2);
    CHECK(shape.head_dim == 12);
    CHECK(shape.ffn == 96);
    CHECK(shape.tied_embeddings);
    CHECK(shape.gated == (family != "starcoder2"));
    if (family == "gemma2") CHECK(shape.window->every == 2);
    if (family == "gemma3") CHECK(shape.window->every == 6);
    if (family == "gemma3") CHECK(shape.window->layers == 5);
    if (family == "llama") CHECK(shape.window->positions == 20);
    if (family == "glm4") CHECK_FALSE(shape.window.has_value());
  }
}

}  // namespace
}  // namespace waferline::fleet
