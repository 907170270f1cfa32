#include "server/app/one_model.h"

#include <stdlib.h>

#include <catch2/catch.hpp>
#include <filesystem>

#include "scheduler/fleet/lane_devices.h"
#include "tests/support/random_model.h"
#include "tests/support/temporary_folder.h"

namespace waferline::app {
namespace {

const std::string kDemo = std::string(WAFERLINE_SOURCE_DIR) + "/deploy/models/demo.gguf";
constexpr Bytes kPlenty(400'000'000'000);

OneModel Configured(const OneModelOptions& options) {
  const auto one = ConfigureOneModel(options);
  INFO(one.status());
  REQUIRE(one.ok());
  return *one;
}

std::string ErrorOf(const OneModelOptions& options) {
  return std::string(ConfigureOneModel(options).status().message());
}

TEST_CASE("a model file alone is a whole configuration") {
  const OneModel one = Configured({.file = kDemo, .memory = kPlenty});
  REQUIRE(one.config.models.size() == 1);
  const config::ModelConfig& model = one.config.models.front();
  CHECK(model.lane.model == "waferline-demo");
  CHECK(model.lane.shape == kDemo);
  CHECK(model.lane.context == Tokens(1024));
  CHECK(model.lane.decode.at(0).hardware == "wse-3");
  CHECK(model.lane.decode.at(0).profile == "vendor-2024");
  CHECK(model.tokens.file == kDemo);
  CHECK(model.tokens.shards == 2);
  CHECK(model.tokens.shard_sram_bytes == 44e9);
  Timeline timeline;
  const auto devices = fleet::LaneDevices::Build(model.lane, &timeline);
  INFO(devices.status());
  REQUIRE(devices.ok());
  CHECK((*devices)->label() == "waferline-demo on 1 x wse-3 (vendor-2024), prefill on 1 x h100");
}

TEST_CASE("flags choose what they name") {
  const OneModel one = Configured({.file = kDemo,
                                   .name = "mine",
                                   .shape = "llama-3.1-8b",
                                   .hardware = "h200",
                                   .prefill = "a100",
                                   .shards = 3,
                                   .context = 100,
                                   .chat_template = "plain",
                                   .memory = kPlenty});
  const config::ModelConfig& model = one.config.models.front();
  CHECK(model.lane.model == "mine");
  CHECK(model.lane.shape == "llama-3.1-8b");
  CHECK(model.lane.decode.at(0).hardware == "h200");
  CHECK(model.lane.decode.at(0).profile.empty());  // an accelerator has none
  CHECK(model.lane.prefill.hardware == "a100");
  CHECK(model.tokens.shards == 3);
  CHECK(model.lane.context == Tokens(100));
  CHECK(model.tokens.chat_template == "plain");
  CHECK(
      ErrorOf({.file = kDemo, .hardware = "wse3", .memory = kPlenty}).find("hardware: \"wse3\"") ==
      0);
}

TEST_CASE(
    "the context is what memory holds, and what does not fit is refused with the arithmetic") {
  // 4 layers, 2 x 2 bytes x kv_width a position; weights of some 4 MB.
  OneModelOptions options{.file = kDemo, .memory = Bytes(6'000'000)};
  const OneModel one = Configured(options);
  const config::ModelConfig& model = one.config.models.front();
  CHECK(model.lane.context > Tokens(0));
  CHECK(model.lane.context < Tokens(1024));
  CHECK(model.lane.context.count() % 64 == 0);
  CHECK(one.remark.find("of the file's 1024 positions: what ") != std::string::npos);
  CHECK(model.tokens.shard_sram_bytes + model.tokens.prefill_kv_bytes < 6e6);
  options.context = 1024;
  CHECK(ErrorOf(options).find("the KV of 1024 positions") != std::string::npos);
  options.context = 0;
  options.memory = Bytes(1'000'000);
  CHECK(ErrorOf(options).find("do not fit into 85 % of the 1.00 MB of free memory") !=
        std::string::npos);
}

TEST_CASE("a file without a name is called after its path, a part of it after the model") {
  const test::TemporaryFolder folder;
  auto writer = test::RandomModel({});
  const auto name_of = [&](const std::string& file) {
    writer.WriteFile(folder.File(file));
    return Configured({.file = folder.File(file), .memory = kPlenty})
        .config.models.front()
        .lane.model;
  };
  CHECK(name_of("x.gguf") == "random-llama");
  writer.Erase("general.name");
  CHECK(name_of("My Model (v2).Q8_0.gguf") == "my-model-v2-.q8_0");
  CHECK(name_of("Tiny-00001-of-00001.gguf") == "tiny");
  CHECK(name_of("---.gguf") == "model");
}

TEST_CASE("an id has small letters, digits, dots, underscores and single dashes") {
  CHECK(IdOf("SmolLM2 135M  (Instruct)") == "smollm2-135m-instruct");
  CHECK(IdOf("a_b.c") == "a_b.c");
  CHECK(IdOf("\xc3\xa9 / ") == "");
}

}  // namespace
}  // namespace waferline::app
