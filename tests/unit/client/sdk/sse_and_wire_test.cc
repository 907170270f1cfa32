#include <boost/json.hpp>
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "client/sdk/endpoint.h"
#include "client/sdk/openai_wire.h"
#include "client/sdk/sse_parser.h"
#include "wafer_backend/base/seeded_stream.h"

namespace waferline::sdk {
namespace {

std::vector<std::string> Events(const std::vector<std::string>& pieces) {
  SseParser parser;
  std::vector<std::string> events;
  for (const std::string& piece : pieces) {
    REQUIRE(parser.Feed(piece, [&](std::string_view data) { events.emplace_back(data); }).ok());
  }
  return events;
}

TEST_CASE("events end at an empty line, whatever ends the lines") {
  CHECK(Events({"data: one\n\ndata:two\r\n\r\ndata: three\r\r"}) ==
        std::vector<std::string>{"one", "two", "three"});
  CHECK(Events({"data: a\ndata: b\n\n"}) == std::vector<std::string>{"a\nb"});
  CHECK(Events({": keep-alive\n\nevent: x\nid: 7\ndata: y\n\n"}) == std::vector<std::string>{"y"});
  CHECK(Events({"data\n\n", "database: no\n\n", "data:  two spaces\n\n"}) ==
        std::vector<std::string>{"", " two spaces"});
  CHECK(Events({"data: unfinished\n"}).empty());
  CHECK(Events({"\xEF\xBB\xBF", "data: marked\n\n"}) == std::vector<std::string>{"marked"});
}

TEST_CASE("how the bytes are cut changes nothing") {
  const std::string text =
      "data: one\r\n\r\n: note\r\n\r\ndata: {\"x\": 1}\r\ndata: more\r\n\r\ndata: z\n\n";
  const std::vector<std::string> whole = Events({text});
  for (uint64_t seed = 0; seed < 200; ++seed) {
    INFO("seed " << seed);
    SeededStream stream(seed);
    std::vector<std::string> pieces;
    for (size_t at = 0; at < text.size();) {
      const size_t length = 1 + stream.Next() % 5;
      pieces.push_back(text.substr(at, length));
      at += length;
    }
    REQUIRE(Events(pieces) == whole);
  }
}

TEST_CASE("an event without end is refused at its bound") {
  SseParser parser;
  const auto nothing = [](std::string_view) {};
  const std::string line(1 << 20, 'x');
  for (int i = 0; i < 4; ++i) REQUIRE(parser.Feed(line, nothing).ok());
  CHECK(parser.Feed("y", nothing).code() == absl::StatusCode::kResourceExhausted);
}

TEST_CASE("server addresses are read, or refused with what one looks like") {
  const auto http = ParseEndpoint("http://localhost:9000/v1/");
  REQUIRE(http.ok());
  CHECK(http->authority() == "localhost:9000");
  CHECK(http->base_path.empty());
  const auto proxied = ParseEndpoint("http://h/llm/v1");
  REQUIRE(proxied.ok());
  CHECK(proxied->base_path == "/llm");
  CHECK(proxied->port == 8080);
  const auto grpc = ParseEndpoint("grpc://[::1]");
  REQUIRE(grpc.ok());
  CHECK(grpc->protocol == Endpoint::Protocol::kGrpc);
  CHECK(grpc->authority() == "[::1]:50051");
  const auto plain = ParseEndpoint("localhost:81/v1");
  REQUIRE(plain.ok());
  CHECK(plain->url() == "http://localhost:81");
  CHECK(ParseEndpoint("[::1]:18870")->url() == "http://[::1]:18870");
  CHECK(ParseEndpoint("http://[::1]:18870")->host == "::1");
  const auto secure = ParseEndpoint("https://h/v1");
  REQUIRE(secure.ok());
  CHECK(secure->tls);
  CHECK(secure->url() == "https://h:443");
  for (const char* wrong : {"", "localhost:x", "ftp://h", "http://", "http://h:0", "http://h:99999",
                            "http://h?x=1", "http://user@h", "grpc://h/path", "http://h:port"}) {
    INFO(wrong);
    const auto endpoint = ParseEndpoint(wrong);
    REQUIRE(endpoint.status().code() == absl::StatusCode::kInvalidArgument);
    CHECK(std::string(endpoint.status().message()).find("http://127.0.0.1:8080") !=
          std::string::npos);
  }
}

TEST_CASE("a request's JSON has what was set, and nothing else") {
  GenerateSpec spec{.model = "demo", .prompt = std::string("hi")};
  auto body = boost::json::parse(BodyFor(spec)).as_object();
  CHECK(PathFor(spec) == "/v1/completions");
  CHECK(body.size() == 4);
  CHECK(body["prompt"].as_string() == "hi");
  CHECK(body["stream"].as_bool());
  CHECK(body["stream_options"].as_object()["include_usage"].as_bool());
  spec.ask_usage = false;
  CHECK(boost::json::parse(BodyFor(spec)).as_object().if_contains("stream_options") == nullptr);
  spec.prompt = std::vector<ChatTurn>{{.role = "user", .content = "a \"quote\""}};
  spec.max_tokens = 5;
  spec.temperature = 0;
  spec.seed = 18446744073709551615ull;
  spec.stop = {"x"};
  spec.ignore_eos = true;
  body = boost::json::parse(BodyFor(spec)).as_object();
  CHECK(PathFor(spec) == "/v1/chat/completions");
  CHECK(body["messages"].as_array()[0].as_object()["content"].as_string() == "a \"quote\"");
  CHECK(body["max_completion_tokens"].to_number<int>() == 5);
  CHECK(body.if_contains("max_tokens") == nullptr);
  CHECK(body["temperature"].to_number<double>() == 0);
  CHECK(body["seed"].as_uint64() == 18446744073709551615ull);
  CHECK(body["ignore_eos"].as_bool());
  spec.prompt = std::vector<TokenId>{1, 2};
  CHECK(boost::json::parse(BodyFor(spec)).as_object()["prompt"].as_array().size() == 2);
}

TEST_CASE("chunks of chats and completions are read, with usage and emulated times") {
  Ending ending;
  auto chunk = ReadChunk(R"({"choices":[{"delta":{"role":"assistant","content":""}}]})", &ending);
  REQUIRE(chunk.ok());
  CHECK_FALSE(chunk->has_content);
  chunk = ReadChunk(R"({"choices":[{"delta":{"content":"Hi"},"token_ids":[4,5]}]})", &ending);
  REQUIRE(chunk.ok());
  CHECK(chunk->piece.text == "Hi");
  CHECK(chunk->piece.tokens == 2);
  chunk = ReadChunk(R"({"choices":[{"text":"yo","finish_reason":"length"}]})", &ending);
  REQUIRE(chunk.ok());
  CHECK(chunk->piece.text == "yo");
  CHECK(ending.finish_reason == "length");
  chunk = ReadChunk(R"({"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":9},
      "time_info":{"queue_time":0.5,"prompt_time":0.25,"completion_time":1,"total_time":1.75}})",
                    &ending);
  REQUIRE(chunk.ok());
  CHECK_FALSE(chunk->has_content);
  CHECK(ending.prompt_tokens == 3u);
  CHECK(ending.completion_tokens == 9u);
  REQUIRE(ending.times.has_value());
  CHECK(ending.times->total == Milliseconds(1750));
  CHECK_FALSE(ending.times->first_token.has_value());
  REQUIRE(ReadChunk(R"({"time_info":{"total_time":1,"first_token_time":0.25}})", &ending).ok());
  CHECK(ending.times->first_token == Milliseconds(250));
  CHECK(ReadChunk("[DONE]", &ending)->done);
  CHECK(ReadChunk("[DONE] ", &ending)->done);
  const auto parts = ReadChunk(
      R"({"choices":[{"delta":{"content":[{"type":"text","text":"a"},{"text":"b"},{}]}}]})",
      &ending);
  CHECK(parts->piece.text == "ab");
  CHECK(parts->has_content);
}

TEST_CASE("every delta that carries tokens is content; a role, an end and usage are not") {
  Ending ending;
  const auto carries = [&](const std::string& chunk) {
    const auto read = ReadChunk(chunk, &ending);
    REQUIRE(read.ok());
    return read->has_content;
  };
  for (const char* delta :
       {R"({"content":"a"})", R"({"reasoning_content":"a"})", R"({"reasoning":"a","content":null})",
        R"({"content":"","reasoning_content":"a"})", R"({"refusal":"no"})",
        R"({"tool_calls":[{"index":0,"function":{"arguments":"{"}}]})"}) {
    INFO(delta);
    CHECK(carries(std::string(R"({"choices":[{"delta":)") + delta + "}]}"));
  }
  for (const char* delta : {R"({"role":"assistant","content":""})", "{}", "null",
                            R"({"content":null,"reasoning":null,"tool_calls":[]})"}) {
    INFO(delta);
    CHECK_FALSE(carries(std::string(R"({"choices":[{"delta":)") + delta + "}]}"));
  }
  const auto reasoning = ReadChunk(R"({"choices":[{"delta":{"reasoning":"hm"}}]})", &ending);
  CHECK(reasoning->piece.text.empty());
}

TEST_CASE("null is absent wherever it is, and a null chunk says nothing") {
  Ending ending;
  const auto chunk = ReadChunk(
      R"({"error":null,"usage":null,"time_info":null,"waferline":null,
          "choices":[{"delta":{"content":"x"},"finish_reason":null,"token_ids":null}]})",
      &ending);
  REQUIRE(chunk.ok());
  CHECK(chunk->piece.text == "x");
  CHECK(ending.finish_reason.empty());
  CHECK_FALSE(ending.completion_tokens.has_value());
  const auto nothing = ReadChunk("null", &ending);
  REQUIRE(nothing.ok());
  CHECK_FALSE(nothing->has_content);
  CHECK_FALSE(nothing->done);
}

TEST_CASE("errors of every shape keep their message and get a code") {
  CHECK(ReadError(404, R"({"error":{"message":"no such model","type":"x"}})") ==
        absl::NotFoundError("no such model"));
  CHECK(ReadError(429, R"({"message":"slow down"})") == absl::ResourceExhaustedError("slow down"));
  CHECK(ReadError(400, R"({"error":"bad"})") == absl::InvalidArgumentError("bad"));
  CHECK(ReadError(500, "oops").message() == "the server answers HTTP 500: oops");
  const absl::Status page = ReadError(502, "\n<html>oops</html>");
  CHECK(page.code() == ReadError(502, "").code());
  CHECK(page.message().find("HTTP 502 and a web page came: that is not a waferd") == 0);
  CHECK(ReadError(503, "").code() == absl::StatusCode::kUnavailable);
  Ending ending;
  CHECK(ReadChunk(R"({"error":{"message":"lost","code":503}})", &ending).status() ==
        absl::UnavailableError("lost"));
  for (const char* junk : {"", "nonsense", "[1]", "{\"choices\":"}) {
    CHECK(ReadChunk(junk, &ending).status().code() == absl::StatusCode::kInternal);
  }
  for (const char* odd :
       {"{}", R"({"choices":7})", R"({"choices":[{}]})", R"({"choices":[null]})",
        R"({"choices":[{"delta":null,"text":5}]})", R"({"usage":{"prompt_tokens":"x"}})",
        R"({"usage":null,"time_info":3})", R"({"usage":{"completion_tokens":-4}})"}) {
    INFO(odd);
    const auto chunk = ReadChunk(odd, &ending);
    REQUIRE(chunk.ok());
    CHECK_FALSE(chunk->has_content);
  }
}

TEST_CASE("a list of models is read, and nothing else is") {
  const auto models =
      ReadModels(R"({"data":[{"id":"a","max_model_len":512},{"id":"b","owned_by":"me"},
                                 {"id":"c","owned_by":"x","waferline":{"description":"computed"}}]})");
  REQUIRE(models.ok());
  REQUIRE(models->size() == 3);
  CHECK((*models)[0].context_length == 512);
  CHECK((*models)[1].details == "owned by me");
  CHECK((*models)[2].details == "computed");
  for (const char* junk : {"", "{}", "[]", R"({"data":3})"}) CHECK_FALSE(ReadModels(junk).ok());
}

}  // namespace
}  // namespace waferline::sdk
