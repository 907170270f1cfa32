#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <string>

#include "client/sdk/operator_client.h"
#include "client/sdk/token_client.h"
#include "tests/unit/client/sdk/scripted_server.h"

namespace waferline::sdk {
namespace {

std::unique_ptr<TokenClient> ClientFor(const ScriptedServer& server) {
  return MakeHttpClient(*ParseEndpoint(server.url()));
}

std::string Event(const std::string& data) { return "data: " + data + "\n\n"; }

std::string Text(const std::string& text) {
  return Event(R"({"choices":[{"text":")" + text + R"("}]})");
}

const std::string kUsage = Event(
    R"({"choices":[{"text":"","finish_reason":"stop"}],"usage":{"prompt_tokens":2,"completion_tokens":3}})");
const std::string kDone = Event("[DONE]");

TEST_CASE("a stream is heard piece by piece and ends once") {
  const ScriptedServer server([](const std::string&, const auto& peer) {
    peer.Send(ScriptedServer::StreamHead());
    peer.SendChunk(Text("a"));
    // An event that is cut in two, and two that come together.
    const std::string b = Text("b");
    peer.SendChunk(b.substr(0, 9));
    peer.SendChunk(b.substr(9));
    peer.SendChunk(Text("c") + kUsage + kDone);
    return peer.Send("0\r\n\r\n");
  });
  const auto client = ClientFor(server);
  for (int round = 0; round < 3; ++round) {
    std::string text;
    const Ending ending =
        Run(*client, {.prompt = std::string("x")}, [&](const Piece& p) { text += p.text; });
    CHECK(ending.status.ok());
    CHECK(text == "abc");
    CHECK(ending.finish_reason == "stop");
    CHECK(ending.completion_tokens == 3u);
  }
  CHECK(server.connections() == 1);  // kept alive
}

TEST_CASE("a refusal gives its code, message and when to come back") {
  const ScriptedServer server([](const std::string&, const auto& peer) {
    return peer.Send(ScriptedServer::Whole(429, R"({"error":{"message":"over budget"}})",
                                           "Retry-After: 2\r\nretry-after-ms: 1500\r\n"));
  });
  const auto client = ClientFor(server);
  const Ending ending = Run(*client, {.prompt = std::string("x")}, [](const Piece&) {});
  CHECK(ending.status == absl::ResourceExhaustedError("over budget"));
  CHECK(ending.retry_after == Milliseconds(1500));
}

TEST_CASE("no server there: the address and what to try") {
  uint16_t port;
  {
    const ScriptedServer gone([](const std::string&, const auto&) { return false; });
    port = gone.port();
  }
  const auto client = MakeHttpClient(*ParseEndpoint("http://127.0.0.1:" + std::to_string(port)));
  const Ending ending = Run(*client, {.prompt = std::string("x")}, [](const Piece&) {});
  CHECK(ending.status.code() == absl::StatusCode::kUnavailable);
  const std::string message(ending.status.message());
  CHECK(message.find("127.0.0.1:" + std::to_string(port)) != std::string::npos);
  CHECK(message.find("make serve") != std::string::npos);
  CHECK(client->ListModels().status().code() == absl::StatusCode::kUnavailable);
}

TEST_CASE("a server that says nothing costs a bounded time, and the error says how long") {
  std::atomic<int> said{0};  // 0: nothing; 1: the head; 2: a piece, too
  const ScriptedServer server([&](const std::string&, const auto& peer) {
    if (said > 0) peer.Send(ScriptedServer::StreamHead());
    if (said > 1) peer.SendChunk(Text("a"));
    return !peer.AwaitClose();
  });
  Endpoint endpoint = *ParseEndpoint(server.url());
  endpoint.patience = Patience::Of(Milliseconds(200));
  const auto client = MakeHttpClient(endpoint);
  const auto silent = [&](const absl::Status& status) {
    INFO(status);
    CHECK(status.code() == absl::StatusCode::kDeadlineExceeded);
    CHECK(std::string(status.message()).find("nothing for 0.2 s") != std::string::npos);
    CHECK(std::string(status.message()).find("--timeout SECONDS") != std::string::npos);
  };
  for (said = 0; said < 3; ++said) {
    silent(Run(*client, {.prompt = std::string("x")}, [](const Piece&) {}).status);
  }
  for (said = 0; said < 2; ++said) {
    silent(client->ListModels().status());
    silent(AskHttp(endpoint, {.method = "GET", .path = "/v1/usage"}).status());
    silent(OperatorClient(endpoint).Watch([](std::string_view) { return false; }));
  }
}

TEST_CASE("a stream that breaks, ends early or says an error is not an answer") {
  std::atomic<int> rounds{0};  // a client may be back before the round that it left has ended
  const ScriptedServer server([&](const std::string&, const auto& peer) {
    const int round = ++rounds;
    peer.Send(ScriptedServer::StreamHead());
    peer.SendChunk(Text("a"));
    if (round == 1) return false;            // the connection breaks
    if (round == 2) peer.Send("0\r\n\r\n");  // the stream ends without a reason
    if (round == 3) peer.SendChunk(Event(R"({"error":{"message":"lost","code":503}})"));
    if (round == 4) peer.SendChunk(Event("junk"));
    return false;
  });
  const auto client = ClientFor(server);
  const auto ask = [&] {
    return Run(*client, {.prompt = std::string("x")}, [](const Piece&) {}).status;
  };
  CHECK(ask().code() == absl::StatusCode::kUnavailable);
  CHECK(ask() == absl::UnavailableError("the stream ended before the answer did"));
  CHECK(ask() == absl::UnavailableError("lost"));
  CHECK(ask().code() == absl::StatusCode::kInternal);
}

TEST_CASE("a kept connection that the server closed is replaced without a word") {
  const ScriptedServer server([](const std::string&, const auto& peer) {
    peer.Send(ScriptedServer::StreamHead());
    peer.SendChunk(Text("a") + kUsage + kDone);
    peer.Send("0\r\n\r\n");
    return false;  // closes, though it has not said so
  });
  const auto client = ClientFor(server);
  for (int round = 0; round < 5; ++round) {
    CHECK(Run(*client, {.prompt = std::string("x")}, [](const Piece&) {}).status.ok());
  }
  CHECK(server.connections() == 5);
}

TEST_CASE("an answer ends at [DONE], whether or not the server ends its body") {
  std::atomic<bool> hold{false};
  const ScriptedServer server([&](const std::string&, const auto& peer) {
    peer.Send(ScriptedServer::StreamHead());
    peer.SendChunk(Text("a") + kUsage + kDone + Event("junk after the end"));
    return hold ? !peer.AwaitClose() : peer.Send("0\r\n\r\n");
  });
  const auto client = ClientFor(server);
  const auto ask = [&] { return Run(*client, {.prompt = std::string("x")}, [](const Piece&) {}); };
  CHECK(ask().status.ok());
  hold = true;
  for (int round = 0; round < 3; ++round) {
    const auto started = std::chrono::steady_clock::now();
    const Ending ending = ask();
    CHECK(ending.status.ok());
    CHECK(ending.finish_reason == "stop");
    CHECK(std::chrono::steady_clock::now() - started < std::chrono::seconds(2));
  }
  CHECK(server.connections() == 3);  // kept after the first, not after the others
}

TEST_CASE("informational responses come before the answer, and are bounded") {
  std::atomic<int> informational{2};
  const ScriptedServer server([&](const std::string&, const auto& peer) {
    for (int i = 0; i < informational; ++i) {
      peer.Send("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n");
    }
    peer.Send(ScriptedServer::StreamHead());
    peer.SendChunk(Text("a") + kUsage + kDone);
    return peer.Send("0\r\n\r\n");
  });
  const auto client = ClientFor(server);
  const auto ask = [&] {
    return Run(*client, {.prompt = std::string("x")}, [](const Piece&) {}).status;
  };
  CHECK(ask().ok());
  informational = 17;
  CHECK(ask().code() == absl::StatusCode::kUnavailable);
}

TEST_CASE("what a server may send for one answer is bounded") {
  const ScriptedServer server([](const std::string& request, const auto& peer) {
    const bool stream = request.starts_with("POST");
    peer.Send(std::string("HTTP/1.1 ") + (stream ? "500" : "200") +
              " X\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n");
    while (peer.SendChunk(std::string(64 * 1024, 'x'))) {  // without end
    }
    return false;
  });
  const auto client = ClientFor(server);
  CHECK(Run(*client, {.prompt = std::string("x")}, [](const Piece&) {}).status.code() ==
        absl::StatusCode::kInternal);
  CHECK(client->ListModels().status().code() == absl::StatusCode::kResourceExhausted);
}

TEST_CASE("running usage counts the tokens of chunks that list none") {
  const ScriptedServer server([](const std::string&, const auto& peer) {
    const auto chunk = [](const std::string& text, int tokens) {
      return Event(R"({"choices":[{"delta":{"content":")" + text +
                   R"("}}],"usage":{"prompt_tokens":2,"completion_tokens":)" +
                   std::to_string(tokens) + "}}");
    };
    peer.Send(ScriptedServer::StreamHead());
    // The last one only repeats the sum, and brings nothing.
    peer.SendChunk(chunk("a", 1) + chunk("bcd", 4) + chunk("", 4) + kDone);
    return peer.Send("0\r\n\r\n");
  });
  std::vector<uint32_t> tokens;
  const Ending ending = Run(*ClientFor(server), {.prompt = std::string("x")},
                            [&](const Piece& piece) { tokens.push_back(piece.tokens); });
  CHECK(ending.completion_tokens == 4u);
  CHECK(tokens == std::vector<uint32_t>{1, 3});
}

TEST_CASE("Cancel closes the connection and ends the call once, as Cancelled") {
  std::atomic<bool> sent_more = false;
  const ScriptedServer server([&](const std::string&, const auto& peer) {
    peer.Send(ScriptedServer::StreamHead());
    peer.SendChunk(Text("a"));
    sent_more = !peer.AwaitClose();
    return false;
  });
  auto client = ClientFor(server);
  std::shared_ptr<TokenClient::Call> call;
  const Ending ending = Run(
      *client, {.prompt = std::string("x")}, [](const Piece&) {},
      [&](std::shared_ptr<TokenClient::Call> started) {
        call = std::move(started);
        call->Cancel();
        call->Cancel();
      });
  CHECK(ending.status.code() == absl::StatusCode::kCancelled);
  call->Cancel();  // harmless after the end
  call.reset();
  client.reset();
  // The connection may have closed before its request was whole, or before it was accepted.
  for (int i = 0; i < 2000 && server.open_connections() > 0; ++i) usleep(1000);
  CHECK(server.open_connections() == 0);
  CHECK(!sent_more);
}

TEST_CASE("key, request id and body reach the server") {
  std::string seen;
  const ScriptedServer server([&](const std::string& request, const auto& peer) {
    seen = request;
    return peer.Send(ScriptedServer::Whole(400, "{}"));
  });
  Endpoint endpoint = *ParseEndpoint(server.url() + "/base/v1");
  endpoint.api_key = "secret";
  const auto client = MakeHttpClient(endpoint);
  Run(*client, {.model = "m", .prompt = std::string("hello"), .request_id = "r-7"},
      [](const Piece&) {});
  CHECK(seen.starts_with("POST /base/v1/completions HTTP/1.1\r\n"));
  CHECK(seen.find("Authorization: Bearer secret\r\n") != std::string::npos);
  CHECK(seen.find("X-Request-Id: r-7\r\n") != std::string::npos);
  CHECK(seen.find(R"("prompt":"hello")") != std::string::npos);
}

TEST_CASE("many calls at once share the wire's one thread") {
  const ScriptedServer server([](const std::string&, const auto& peer) {
    peer.Send(ScriptedServer::StreamHead());
    for (int i = 0; i < 50; ++i) peer.SendChunk(Text("t"));
    peer.SendChunk(kUsage + kDone);
    return peer.Send("0\r\n\r\n");
  });
  const auto client = ClientFor(server);
  std::atomic<int> pieces = 0, ends = 0;
  for (int i = 0; i < 32; ++i) {
    client->Start({.prompt = std::string("x")}, {.on_piece = [&](const Piece&) { ++pieces; },
                                                 .on_end = [&](const Ending&) { ++ends; }});
  }
  for (int i = 0; i < 10'000 && ends < 32; ++i) usleep(1000);
  CHECK(ends == 32);
  CHECK(pieces == 32 * 50);
}

}  // namespace
}  // namespace waferline::sdk
