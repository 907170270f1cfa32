// Routes and the protocols that share them.
#include <catch2/catch.hpp>

#include "tests/unit/server/http/api_fixture.h"

namespace waferline::http {

TEST_CASE("routes: not there, wrong method, OPTIONS, HEAD, health") {
  Fixture fixture;
  RawClient client(fixture.port);
  const auto ask = [&](const std::string& request, bool body = true) {
    client.Send(request);
    return client.ReadResponse(body);
  };
  CHECK(ask(Get("/v1/nothing")).code == 404);
  const auto wrong = ask(Get("/v1/chat/completions"));
  CHECK(wrong.code == 405);
  CHECK(wrong.Has("allow: POST, OPTIONS"));
  CHECK(ask("DELETE /v1/models HTTP/1.1\r\nhost: x\r\n\r\n").code == 405);
  CHECK(ask("OPTIONS /v1/models HTTP/1.1\r\nhost: x\r\n\r\n").code == 204);
  CHECK(ask("HEAD /v1/models HTTP/1.1\r\nhost: x\r\n\r\n", false).code == 200);
  CHECK(ask(Get("/v1/models")).body.find("\"id\":\"bytes\"") != std::string::npos);
  CHECK(ask(Get("/v1/models/by%74es")).code == 200);
  const auto unknown = ask(Get("/v1/models/org/none"));
  CHECK(unknown.code == 404);
  CHECK(unknown.body.find("model_not_found") != std::string::npos);
  CHECK(ask(Post("/tokenize", R"({"prompt":"a"})")).body.find("\"count\":2") != std::string::npos);
  CHECK(ask(Post("/detokenize", R"({"tokens":[97]})")).body == R"({"prompt":"a"})");
  CHECK(ask(Get("/tokenizer_info")).body.find("\"vocab_size\":261") != std::string::npos);
  CHECK(ask(Get("/tokenizer_info/mute")).body.find("\"model\":\"mute\"") != std::string::npos);
  CHECK(ask(Get("/tokenizer_info/none")).code == 404);
  CHECK(ask(Post("/v1/completions", "{")).code == 400);
  CHECK(ask(Post("/v1/completions/render", R"({"model":"bytes","prompt":["a","bc"]})")).code ==
        200);
  CHECK(ask(Post("/v1/completions/render", R"({"model":"none","prompt":"a"})")).code == 404);
  CHECK(ask(Get("/load")).body == R"({"server_load":0})");
  CHECK(ask(Get("/ping")).body == R"({"status":"ok"})");
  CHECK(ask(Post("/ping", "")).code == 200);
  CHECK(ask(Get("/metrics")).body == "waferline_up 1\n");
  CHECK(ask(Get("/")).body.find("<title>Waferline</title>") != std::string::npos);
  CHECK(ask(Get("/ready")).code == 200);
  CHECK(ask(Get("/admin/usage")).body == R"({"usage":[]})");
  const auto made = ask(Get("/live"));
  CHECK(made.Has("x-request-id: "));
  CHECK(!ask(Get("/live", "x-request-id: " + std::string(200, 'x') + "\r\n")).Has("xxx"));
  fixture.health = {.ready = false, .why = "draining"};
  CHECK(ask(Get("/ready")).code == 503);
  CHECK(ask(Get("/health")).code == 200);
  fixture.health = {.live = false, .why = "the engine hangs"};
  CHECK(ask(Get("/live")).code == 503);
  CHECK(Api::RouteOf("/v1/models/x") == "/v1/models/{id}");
  CHECK(Api::RouteOf("/etc/passwd") == "other");
}

TEST_CASE("/openai/v1 is /v1") {
  Fixture fixture;
  RawClient client(fixture.port);
  client.Send(Get("/openai/v1/models/bytes"));
  CHECK(client.ReadUntil("}").find("HTTP/1.1 200 OK") == 0);
  for (const char* path : {"/openai/v1x", "/openai/health", "/openai/openai/v1/models"}) {
    RawClient other(fixture.port);
    other.Send(Get(path));
    CHECK(other.ReadUntil("\r\n").find("404") != std::string::npos);
  }
  CHECK(Api::RouteOf("/openai/v1/chat/completions") == "/v1/chat/completions");
}

TEST_CASE("messages: a key in x-api-key, errors in that protocol's shape") {
  Fixture fixture({.limits = {}, .keys = {{.key = "k", .tenant = "t"}}});
  const std::string body =
      R"({"model":"bytes","max_tokens":5,"messages":[{"role":"user","content":"hi"}],"stream":true})";
  RawClient stranger(fixture.port);
  stranger.Send(Post("/v1/messages", body, "x-api-key: wrong\r\n"));
  const std::string refused = stranger.ReadUntil("}}");
  CHECK(refused.find("HTTP/1.1 401") == 0);
  CHECK(refused.find(R"({"type":"error","error":{"type":"authentication_error")") !=
        std::string::npos);
  RawClient client(fixture.port);
  client.Send(Post("/v1/messages", body, "x-api-key: k\r\nx-request-id: abc\r\n"));
  TokenSink* sink = fixture.door.sink(0);
  CHECK(fixture.door.request(0)->tenant == "t");
  sink->OnAdmitted();
  const std::string start = client.ReadUntil("message_start");
  CHECK(start.find("request-id: abc\r\n") != std::string::npos);
  Say(sink, "Hello");
  client.ReadUntil("text_delta");
  sink->OnOutcome(Ended(5, FinishReason::kFailed, absl::UnavailableError("gone")));
  CHECK(client.ReadUntil("gone").find("event: error") != std::string::npos);
}

TEST_CASE("a response is stored for its tenant, read and deleted") {
  Fixture fixture(
      {.limits = {}, .keys = {{.key = "k", .tenant = "t"}, {.key = "l", .tenant = "u"}}});
  const std::string key = "authorization: Bearer k\r\n", other = "authorization: Bearer l\r\n";
  RawClient client(fixture.port);
  client.Send(Post("/v1/responses", R"({"model":"bytes","input":"hi","max_output_tokens":9})",
                   key + "x-request-id: a/1\r\n"));
  TokenSink* sink = fixture.door.sink(0);
  sink->OnAdmitted();
  Say(sink, "Hello");
  sink->OnOutcome(Ended(5));
  CHECK(client.ReadUntil("\"top_logprobs\":0}").find("\"id\":\"resp_a/1\"") != std::string::npos);
  const std::string path = "/v1/responses/resp_a%2F1";
  const auto ask = [&](const std::string& method, const std::string& header) {
    RawClient one(fixture.port);
    one.Send(method + " " + path + " HTTP/1.1\r\nhost: localhost\r\n" + header + "\r\n");
    return one.ReadUntil("\r\n");
  };
  CHECK(ask("GET", other).find("404") != std::string::npos);
  CHECK(ask("GET", key).find("200") != std::string::npos);
  CHECK(ask("POST", key).find("405") != std::string::npos);
  CHECK(ask("DELETE", other).find("404") != std::string::npos);
  CHECK(ask("DELETE", key).find("200") != std::string::npos);
  CHECK(ask("GET", key).find("404") != std::string::npos);
}

}  // namespace waferline::http
