// The commands that talk to a server, as a user types them, against a gRPC server that answers
// "abc...".
#include <boost/json.hpp>
#include <catch2/catch.hpp>
#include <cstdio>
#include <fstream>
#include <string>

#include "server/rpc/rpc_server.h"
#include "tests/unit/client/cli/waferctl_process.h"
#include "tests/unit/client/sdk/scripted_server.h"
#include "tests/unit/server/rpc/byte_models.h"
#include "tests/unit/server/rpc/echo_door.h"
#include "tests/unit/server/rpc/puppet_cloud.h"
#include "tests/unit/server/serving/plain_deps.h"

namespace waferline::cli {
namespace {

namespace json = boost::json;

struct Cloud {
  explicit Cloud(std::chrono::microseconds gap = {}) : door(gap) {
    auto started = rpc::RpcServer::Start(deps.With(&door, &models, &admin), {});
    REQUIRE(started.ok());
    server = *std::move(started);
    url = "grpc://127.0.0.1:" + std::to_string(server->port());
  }
  ~Cloud() {
    server->Shutdown();
  }  // before the door, which it uses, and after which it goes itself
  text::ModelCatalog models = ByteModels(100'000);
  PuppetAdmin admin;
  serving::PlainDeps deps;
  std::unique_ptr<rpc::RpcServer> server;
  EchoDoor door;
  std::string url;
};

json::object Parse(const std::string& text) {
  INFO(text);
  boost::system::error_code error;
  const json::value value = json::parse(text, error);
  REQUIRE_FALSE(error);
  return value.as_object();
}

TEST_CASE("models: a table, or JSON") {
  Cloud cloud;
  const Finished table = Waferctl({"models", "--server", cloud.url});
  CHECK(table.code == 0);
  CHECK(table.out.find("bytes   context 100000  computed: bytes; chat: plain\n") == 0);
  const json::object object = Parse(Waferctl({"models", "--server", cloud.url, "--json"}).out);
  REQUIRE(object.at("models").as_array().size() == 2);
  CHECK(object.at("models").as_array()[0].as_object().at("id").as_string() == "bytes");
}

TEST_CASE("complete: the text on stdout, from an argument or from stdin") {
  Cloud cloud;
  const Finished plain = Waferctl({"complete", "hi", "--max-tokens", "5", "--server", cloud.url});
  CHECK(plain.code == 0);
  CHECK(plain.out == "abcde\n");
  CHECK(plain.err.empty());
  const json::object object = Parse(
      Waferctl({"complete", "-", "--max-tokens=3", "--server", cloud.url, "--json"}, "from stdin")
          .out);
  CHECK(object.at("text").as_string() == "abc");
  CHECK(object.at("model").as_string() == "bytes");
  CHECK(object.at("finish_reason").as_string() == "length");
  CHECK(object.at("usage").as_object().at("prompt_tokens").to_number<int>() == 11);
  CHECK(object.at("usage").as_object().at("completion_tokens").to_number<int>() == 3);
  CHECK(object.at("time_info").as_object().at("queue_time").to_number<double>() == Approx(0.001));
}

TEST_CASE("complete: what is wrong, with the exit code that says whose fault it is") {
  Cloud cloud;
  const auto code = [&](std::vector<std::string> words, const std::string& says) {
    words.insert(words.end(), {"--server", cloud.url});
    const Finished finished = Waferctl(words);
    INFO(finished.err);
    CHECK(finished.out.empty());
    CHECK(finished.err.find(says) != std::string::npos);
    return finished.code;
  };
  CHECK(code({"complete"}, "complete: PROMPT is missing") == 2);
  CHECK(code({"complete", ""}, "PROMPT is empty") == 2);
  CHECK(code({"complete", "x", "--temperature", "hot"},
             "--temperature: 'hot' is not a number in [0, 2]") == 2);
  CHECK(code({"complete", "x", "--max-tokens", "0"},
             "--max-tokens: 0 is out of range, must be in [1, ") == 2);
  CHECK(code({"complete", "x", "--modle", "m"}, "did you mean '--model'?") == 2);
  CHECK(code({"complete", "x", "--model", "gone"}, "gone") == 1);
  CHECK(code({"complete", "x", "--max-tokens", "2000000"}, "--max-tokens: must be at most") == 1);
  const Finished result = Waferctl({"complete", "x", "--server", "http://127.0.0.1:1", "--json"});
  CHECK(result.code == 1);
  const json::object error = Parse(result.err);
  CHECK(error.at("error").as_object().at("code").as_string() == "UNAVAILABLE");
  CHECK(result.err.find("make serve") != std::string::npos);
  const Finished wrong = Waferctl({"complete", "x", "--server", "ftp://127.0.0.1:1"});
  CHECK(wrong.code == 2);
  CHECK(wrong.err.find("write http://127.0.0.1:8080") != std::string::npos);
}

TEST_CASE("complete over HTTP: what a server refuses is what the user reads") {
  const ScriptedServer server([](const std::string&, const auto& peer) {
    return peer.Send(ScriptedServer::Whole(503, R"({"error":{"message":"all wafers are busy"}})"));
  });
  const Finished finished = Waferctl({"complete", "x", "--model", "m", "--server", server.url()});
  CHECK(finished.code == 1);
  CHECK(finished.err == "waferctl: all wafers are busy\n");
}

TEST_CASE("chat: lines of stdin are messages, and the history grows") {
  Cloud cloud;
  const std::vector<std::string> words = {"chat", "--max-tokens", "4", "--server", cloud.url};
  CHECK(Waferctl(words, "one\n\ntwo\n").out == "abcd\nabcd\n");
  std::vector<std::string> with_json = words;
  with_json.insert(with_json.end(), {"--json", "--system", "be brief"});
  const json::object object = Parse(Waferctl(with_json, "one\ntwo").out);
  const json::array& messages = object.at("messages").as_array();
  REQUIRE(messages.size() == 5);
  CHECK(messages[0].as_object().at("role").as_string() == "system");
  CHECK(messages[3].as_object().at("content").as_string() == "two");
  CHECK(messages[4].as_object().at("content").as_string() == "abcd");
  with_json.insert(with_json.end(), {"--message", "only"});
  CHECK(Parse(Waferctl(with_json).out).at("messages").as_array().size() == 3);
  const Finished silent =
      Waferctl({"chat", "--model", "silent", "--message", "x", "--server", cloud.url});
  CHECK(silent.code == 1);
  CHECK(silent.err.find("no chat template") != std::string::npos);
}

TEST_CASE("chat on a terminal: Ctrl-C ends the answer, Ctrl-D the conversation") {
  Cloud cloud(std::chrono::milliseconds(2));
  Terminal terminal({"chat", "--max-tokens", "50000", "--history", "", "--server", cloud.url});
  REQUIRE(terminal.Await("> "));
  terminal.Type("go on\n");
  REQUIRE(terminal.Await("abcdefgh"));
  terminal.Type("\x03");
  REQUIRE(terminal.Await("[interrupted]"));
  REQUIRE(terminal.Await("> "));
  terminal.Type("\x03");  // at the prompt: a hint, not the end
  REQUIRE(terminal.Await("Ctrl-D ends the conversation"));
  REQUIRE(terminal.Await("> "));
  terminal.Type("/nonsense\n");
  REQUIRE(terminal.Await("/model [NAME] lists"));
  REQUIRE(terminal.Await("> "));
  terminal.Type("\x04");
  CHECK(terminal.Wait() == 0);
}

TEST_CASE("bench run: both arrivals, JSON with vLLM's names, a line for each request") {
  Cloud cloud(std::chrono::microseconds(200));
  const std::string log = std::tmpnam(nullptr);
  const Finished closed = Waferctl({"bench", "run", "--server", cloud.url, "--num-prompts", "20",
                                    "--concurrency", "4", "--output-tokens", "8", "--json",
                                    "--goodput", "ttft:60000,tpot:60000", "--requests", log});
  INFO(closed.err);
  REQUIRE(closed.code == 0);
  const json::object report = Parse(closed.out);
  CHECK(report.at("completed").to_number<int>() == 20);
  CHECK(report.at("failed").to_number<int>() == 0);
  CHECK(report.at("total_output_tokens").to_number<int>() == 160);
  CHECK(report.at("max_concurrency").to_number<int>() == 4);
  CHECK(report.at("request_rate").as_string() == "inf");
  CHECK(report.at("itl_counts").as_string() == "tokens");
  CHECK(report.at("mean_ttft_ms").to_number<double>() > 0);
  CHECK(report.at("mean_e2el_ms").to_number<double>() >=
        report.at("mean_ttft_ms").to_number<double>());
  CHECK(report.at("request_goodput").to_number<double>() ==
        Approx(report.at("request_throughput").to_number<double>()));
  // The emulated hardware's own times: the first token 5 ms after arrival, then one each 1 ms.
  CHECK(report.at("mean_emulated_ttft_ms").to_number<double>() == Approx(5));
  CHECK(report.at("mean_emulated_tpot_ms").to_number<double>() == Approx(1));
  std::ifstream file(log);
  std::string line;
  int lines = 0;
  while (std::getline(file, line)) {
    CHECK(Parse(line).at("index").to_number<int>() == lines++);
    CHECK(Parse(line).at("itl_ms").as_array().size() == 7);
  }
  CHECK(lines == 20);
  std::remove(log.c_str());

  const Finished open = Waferctl({"bench", "run", "--server", cloud.url, "--num-prompts", "10",
                                  "--rate", "100", "--output-tokens", "4", "--chat"});
  INFO(open.err);
  CHECK(open.code == 0);
  CHECK(open.out.find("10 completed, 0 failed") != std::string::npos);
  CHECK(open.out.find("time to first token") != std::string::npos);
}

TEST_CASE("faults send: what is given reaches the server, and its refusal the user") {
  Cloud cloud;
  const Finished sent = Waferctl({"faults", "send", "thermal", "--model", "bytes", "--place", "3",
                                  "--clock-share", "0.5", "--server", cloud.url, "--json"});
  INFO(sent.err);
  CHECK(sent.code == 0);
  CHECK(Parse(sent.out).at("applied").as_string() == "thermal");
  const admin::FaultOrder order = cloud.admin.last_fault();
  CHECK(order.model == "bytes");
  CHECK(order.fault.kind == "thermal");
  CHECK(order.fault.place == 3);
  CHECK(order.fault.clock_share == 0.5);
  // Without --model the server's first; every kind has its number on the wire.
  CHECK(Waferctl({"faults", "send", "unit-slow", "--factor", "2", "--server", cloud.url}).code ==
        0);
  CHECK(cloud.admin.last_fault().fault.kind == "unit_slow");
  CHECK(cloud.admin.last_fault().fault.factor == 2);
  CHECK(Waferctl({"faults", "send", "stage_slow", "--stage", "3", "--factor", "2", "--server",
                  cloud.url})
            .code == 0);
  CHECK(cloud.admin.last_fault().fault.kind == "stage_slow");
  CHECK(cloud.admin.last_fault().fault.stage == 3);
  const auto refused = [&](std::vector<std::string> words, const std::string& says) {
    words.insert(words.begin(), {"faults", "send", "--server", cloud.url});
    const Finished finished = Waferctl(words);
    INFO(finished.err);
    CHECK(finished.err.find(says) != std::string::npos);
    return finished.code;
  };
  CHECK(refused({"meteor"}, "must be one of: worker_lost, ") == 2);
  CHECK(refused({"core", "--place", "-1"}, "--place: -1 is out of range") == 2);
  CHECK(refused({"core", "--index", "1"}, "index 1 out of range [0, 1)") == 1);
}

TEST_CASE("bench run: bad input") {
  Cloud cloud;
  const auto code = [&](std::vector<std::string> words, const std::string& says) {
    words.insert(words.begin(), {"bench", "run", "--server", cloud.url, "--num-prompts", "2"});
    const Finished finished = Waferctl(words);
    INFO(finished.err);
    CHECK(finished.err.find(says) != std::string::npos);
    return finished.code;
  };
  CHECK(code({"--goodput", "ttft"}, "--goodput") == 2);
  CHECK(code({"--rate", "0"}, "--rate: 0 is out of range, must be in [0.001, ") == 2);
  CHECK(code({"--concurrency", "0"}, "--concurrency: 0 is out of range, must be in [1, ") == 2);
  CHECK(code({"--prompts", "/no/such"}, "cannot read /no/such") == 1);
  CHECK(code({"--prompts", "/dev/null"}, "/dev/null is a device") == 1);
  const std::string empty = std::tmpnam(nullptr);
  std::ofstream{empty};
  CHECK(code({"--prompts", empty}, "no prompt") == 1);
  CHECK(code({"--requests", "/no/such/log"}, "'/no/such/log' cannot be written: /no/such") == 2);
  CHECK(code({"--model", "gone"}, "gone") == 1);
}

}  // namespace
}  // namespace waferline::cli
