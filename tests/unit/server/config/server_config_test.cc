#include "server/config/server_config.h"

#include <catch2/catch.hpp>
#include <string>

namespace waferline::config {
namespace {

constexpr char kSmall[] = R"(listen: {http_port: 0, grpc_port: 0}
clock: {kind: stepped, arrival_grace_us: 3000}
models:
  - name: demo
    shape: llama-3.1-8b
    prefill: {hardware: h100, workers: 2}
    decode:
      - {hardware: wse-3, profile: vendor-2024, max_running: 8}
    link: {latency_us: 2.5}
    scheduling: {order: priority, max_waiting_flex: 7}
    tokens: {file: ../models/demo.gguf, shards: 2}
)";

TEST_CASE("a configuration says what it says and leaves the rest at its defaults") {
  const auto config = ParseServerConfig("deploy/config/demo.yaml", kSmall);
  REQUIRE(config.status().ToString() == "OK");
  REQUIRE(config->clock.stepped);
  REQUIRE(config->clock.arrival_grace == Milliseconds(3));
  REQUIRE(config->listen.address == "127.0.0.1");
  const ModelConfig& model = config->models.at(0);
  REQUIRE(model.tokens.file == "deploy/models/demo.gguf");
  REQUIRE(model.tokens.shards == 2);
  REQUIRE(model.lane.prefill.workers == 2);
  REQUIRE(model.lane.link.latency == Nanoseconds(2500));
  REQUIRE(model.lane.decode.at(0).max_running == 8);
  REQUIRE(model.lane.scheduling.order.rule == policy::OrderRule::kPriority);
  REQUIRE(model.lane.scheduling.admission.max_waiting[2] == 7);
}

TEST_CASE("a reader has its grace on the wall, however fast emulated time runs") {
  const auto grace_at = [](const std::string& scale) {
    const auto config = ParseServerConfig("a.yaml", "clock: {scale: " + scale + R"(}
models:
  - name: demo
    shape: llama-3.1-8b
    prefill: {hardware: h100}
    decode: [{hardware: wse-3, profile: vendor-2024}]
    scheduling: {reader_grace_us: 2.0e+6}
    tokens: {from: cheap, file: demo.gguf}
)");
    INFO(config.status());
    REQUIRE(config.ok());
    return config->models[0].lane.scheduling.limits.reader_grace;
  };
  REQUIRE(grace_at("1") == Seconds(2));
  REQUIRE(grace_at("0.01") == Milliseconds(20));
  REQUIRE(grace_at("1.0e+6") == Seconds(2'000'000));
}

TEST_CASE("a draft model is named where one guesses, and nowhere else") {
  const auto with = [](const std::string& more) {
    std::string text = kSmall;
    text.insert(text.rfind("}"), more);
    return ParseServerConfig("deploy/config/demo.yaml", text);
  };
  const auto drafted = with(", speculation: draft, draft_file: ../models/draft.gguf");
  REQUIRE(drafted.status().ToString() == "OK");
  REQUIRE(drafted->models.at(0).tokens.speculation == SpeculationKind::kDraft);
  REQUIRE(drafted->models.at(0).tokens.draft_file == "deploy/models/draft.gguf");
  for (const std::string wrong : {", speculation: draft", ", draft_file: ../models/draft.gguf",
                                  ", speculation: lookup, draft_file: ../models/draft.gguf"}) {
    INFO(wrong);
    REQUIRE(std::string(with(wrong).status().message()).find("draft_file") != std::string::npos);
  }
}

TEST_CASE("a chat template is a name, or a path from the file's folder") {
  const auto chosen = [](const std::string& value) {
    std::string text = kSmall;
    text.insert(text.rfind("}"), ", chat_template: " + value);
    return ParseServerConfig("deploy/config/demo.yaml", text)->models.at(0).tokens.chat_template;
  };
  REQUIRE(chosen("chatml") == "chatml");
  REQUIRE(chosen("mine.jinja") == "deploy/config/mine.jinja");
  REQUIRE(chosen("../templates/mine") == "deploy/templates/mine");
}

TEST_CASE("all faults come out at once, each with its line and field") {
  const auto config = ParseServerConfig("bad.yaml", R"(listen: {http_port: 70000}
clock: {kind: real, arrival_grace_us: 3000}
models:
  - name: demo
    prefill: {hardware: h100, workers: none}
    decode: []
    scheduling: {order: fastest}
    tokens: {from: cheap, file: x.gguf, shards: 2}
extra: 1
)");
  REQUIRE(config.status().code() == absl::StatusCode::kInvalidArgument);
  const std::string text(config.status().message());
  CAPTURE(text);
  for (const char* wanted :
       {"bad.yaml:1: listen.http_port", "bad.yaml:2: clock.arrival_grace_us", "shape: is missing",
        "bad.yaml:5: models[0].prefill.workers", "bad.yaml:6: models[0].decode",
        "arrival, priority, deadline", "bad.yaml:8: models[0].tokens.shards",
        "bad.yaml:9: extra: is not known here; known: api_keys"}) {
    CAPTURE(wanted);
    REQUIRE(text.find(wanted) != std::string::npos);
  }
}

TEST_CASE("each door has a port of its own, where they listen at the same address") {
  const auto says = [](const std::string& listen) {
    const auto config = ParseServerConfig("ports.yaml", "listen: {" + listen + "}\n");
    const std::string text(config.status().message());
    return text.substr(0, text.find(';'));
  };
  CHECK(says("http_port: 9000, grpc_port: 9000") ==
        "ports.yaml:1: listen.grpc_port: is 9000, as listen.http_port");
  CHECK(says("http_port: 50051") ==
        "ports.yaml:1: listen.grpc_port: is 50051, as listen.http_port");
  CHECK(says("admin_port: 8080") ==
        "ports.yaml:1: listen.admin_port: is 8080, as listen.http_port");
  CHECK(says("grpc_port: 9001, admin_port: 9001") ==
        "ports.yaml:1: listen.admin_port: is 9001, as listen.grpc_port");
  CHECK(says("admin_port: 8080, admin_address: '::'").find("as listen.http_port") !=
        std::string::npos);
  for (const char* good :
       {"http_port: 0, grpc_port: 0, admin_port: 0", "admin_port: 9002",
        "admin_port: 8080, admin_address: 127.0.0.2",
        "address: 0.0.0.0, insecure: true, admin_port: 8080, admin_address: '::1'"}) {
    CHECK(says(good).find("_port") == std::string::npos);
  }
  // What flags replace is looked at as they replace it.
  const auto with = [](const PortFlags& ports) {
    const auto read =
        ReadServerConfigText("p.yaml", "listen: {http_port: 9000, grpc_port: 9000}\n", ports);
    const std::string text(read.faults.message());
    return text.substr(0, text.find(';'));
  };
  CHECK(with({.http = 0}).find("_port") == std::string::npos);
  CHECK(with({.grpc = 9001}).find("_port") == std::string::npos);
  CHECK(with({.http = 9001, .grpc = 9001}) ==
        "p.yaml:1: listen.grpc_port: is 9001, as listen.http_port");
}

TEST_CASE("experts over workers: of shards in this process, refused elsewhere by name") {
  const auto parse = [](const std::string& tokens) {
    return ParseServerConfig("a.yaml", R"(models:
  - name: demo
    shape: llama-3.1-8b
    prefill: {hardware: h100}
    decode: [{hardware: wse-3, profile: vendor-2024}]
    tokens: )" + tokens);
  };
  const auto config = parse("{file: x.gguf, shards: 2, experts: {over: 4}}");
  INFO(config.status());
  REQUIRE(config.ok());
  REQUIRE(config->models[0].tokens.experts_over == 4);
  REQUIRE(parse("{file: x.gguf}")->models[0].tokens.experts_over == 1);
  const auto refused = [&](const std::string& tokens) {
    return std::string(parse(tokens).status().message());
  };
  REQUIRE(refused("{file: x.gguf, experts: {over: 0}}").find("experts.over: is 0") !=
          std::string::npos);
  REQUIRE(refused("{from: cheap, file: x.gguf, experts: {over: 2}}").find("tokens.experts") !=
          std::string::npos);
  REQUIRE(refused("{from: remote, file: x.gguf, prefill_worker: 'a:1', shard_workers: [{address: "
                  "'a:2'}], experts: {over: 2}}")
              .find("each shard process says by --experts") != std::string::npos);
}

TEST_CASE("several chains of workers, each with its own") {
  const auto parse = [](const std::string& tokens) {
    return ParseServerConfig("a.yaml", R"(models:
  - name: demo
    shape: llama-3.1-8b
    prefill: {hardware: h100}
    decode: [{hardware: wse-3, profile: vendor-2024}]
    tokens: {from: remote, file: x.gguf, )" +
                                           tokens + "}");
  };
  const std::string one = "{prefill_worker: 'a:1', shard_workers: [{address: 'a:2'}]}";
  const auto config =
      parse("chains: [" + one +
            ", {prefill_workers: [{address: 'b:1'}, {address: 'b:2'}], shard_workers: [{address: "
            "'b:3'}]}], standby_workers: [{address: 'c:1'}]");
  INFO(config.status());
  REQUIRE(config.ok());
  const TokensConfig& tokens = config->models[0].tokens;
  REQUIRE(tokens.chains.size() == 2);
  REQUIRE(tokens.chains[0].prefill == std::vector<std::string>{"a:1"});
  REQUIRE(tokens.chains[1].prefill == std::vector<std::string>{"b:1", "b:2"});
  REQUIRE(tokens.chains[1].shards == std::vector<std::string>{"b:3"});
  REQUIRE(tokens.standby_workers == std::vector<std::string>{"c:1"});
  const auto refused = [&](const std::string& fields, const std::string& part) {
    const auto faulty = parse(fields);
    INFO(faulty.status());
    REQUIRE_FALSE(faulty.ok());
    REQUIRE(std::string(faulty.status().message()).find(part) != std::string::npos);
  };
  refused("chains: []", "tokens.chains: needs at least one entry");
  refused("prefill_worker: 'a:1', chains: [" + one + "]",
          "tokens.chains: and prefill_worker, prefill_workers or shard_workers are given");
  refused("chains: [{shard_workers: [{address: 'a:2'}]}]", "chains[0].prefill_worker");
  refused("chains: [{prefill_worker: 'a:1', shard_workers: []}]",
          "chains[0].shard_workers: needs at least one entry");
}

TEST_CASE("attention and feed-forward apart: on workers of this process, or by processes") {
  const auto parse = [](const std::string& tokens) {
    return ParseServerConfig("a.yaml", R"(models:
  - name: demo
    shape: llama-3.1-8b
    prefill: {hardware: h100}
    decode: [{hardware: wse-3, profile: vendor-2024}]
    tokens: )" + tokens);
  };
  const auto local = parse("{from: split, file: x.gguf, attention: 2, ffn: 3, micro_batches: 4}");
  INFO(local.status());
  REQUIRE(local.ok());
  const TokensConfig& here = local->models[0].tokens;
  REQUIRE(here.from == TokenOriginKind::kSplit);
  REQUIRE(here.shards == 2);
  REQUIRE(here.feed_forward_workers == 3);
  REQUIRE(here.micro_batches == 4);
  REQUIRE(here.threads == 1);
  const std::string workers =
      "{from: split, file: x.gguf, prefill_worker: 'a:1', attention_workers: [{address: 'a:2'}, "
      "{address: 'a:3'}]";
  const auto processes = parse(workers + "}");
  REQUIRE(processes.ok());
  REQUIRE(processes->models[0].tokens.chains.at(0).shards ==
          std::vector<std::string>{"a:2", "a:3"});
  REQUIRE(processes->models[0].tokens.chains[0].prefill == std::vector<std::string>{"a:1"});
  const auto refused = [&](const std::string& tokens, const std::string& part) {
    const auto config = parse(tokens);
    INFO(config.status());
    REQUIRE_FALSE(config.ok());
    REQUIRE(std::string(config.status().message()).find(part) != std::string::npos);
  };
  refused(workers + ", ffn: 2}", "each attention process says by --ffn-workers");
  refused("{from: split, file: x.gguf, ffn: 0}", "tokens.ffn: is 0");
  refused("{from: split, file: x.gguf, micro_batches: 65}", "tokens.micro_batches: is 65");
  refused("{from: split, file: x.gguf, attention_workers: []}", "needs at least one entry");
  refused("{from: split, file: x.gguf, experts: {over: 2}}", "tokens.experts");
  refused("{from: shards, file: x.gguf, ffn: 2}", "tokens.ffn");
}

}  // namespace
}  // namespace waferline::config
