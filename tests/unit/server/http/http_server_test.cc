// The server without its API: bytes on real sockets, every limit reached.
#include "server/http/http_server.h"

#include <catch2/catch.hpp>
#include <mutex>

#include "server/http/head_rules.h"
#include "server/http/response_head.h"
#include "tests/unit/server/http/raw_client.h"
#include "tests/unit/server/http/steered_clock.h"

namespace waferline::http {
namespace {

// Echoes "METHOD path body"; /hold keeps the exchange for the test.
class Fixture {
 public:
  explicit Fixture(ServerOptions options = {}) {
    options.clock = clock.clock();
    options.on_reply = [this](const Request& request, int code, Nanoseconds) {
      const std::lock_guard lock(mutex_);
      replies_.emplace_back(request.path, code);
    };
    server = std::make_unique<HttpServer>(options, [this](std::shared_ptr<Exchange> exchange) {
      const Request& request = exchange->request();
      if (request.path == "/hold") {
        exchange->OnGone([this] { ++gone; });
        const std::lock_guard lock(mutex_);
        held_ = std::move(exchange);
        return;
      }
      exchange->Send({.content_type = "text/plain",
                      .body = request.method + " " + request.path + " " + request.body});
    });
    const auto bound = server->Start();
    REQUIRE(bound.ok());
    port = *bound;
  }
  ~Fixture() { server->Stop(); }

  std::shared_ptr<Exchange> WaitForHeld() {
    std::shared_ptr<Exchange> held;
    REQUIRE(Eventually([&] {
      const std::lock_guard lock(mutex_);
      held = std::exchange(held_, nullptr);
      return held != nullptr;
    }));
    return held;
  }
  std::vector<std::pair<std::string, int>> replies() {
    const std::lock_guard lock(mutex_);
    return replies_;
  }

  SteeredClock clock;
  std::atomic<int> gone = 0;
  std::unique_ptr<HttpServer> server;
  uint16_t port = 0;

 private:
  std::mutex mutex_;
  std::shared_ptr<Exchange> held_;
  std::vector<std::pair<std::string, int>> replies_;
};

std::string Post(const std::string& path, const std::string& body) {
  return "POST " + path + " HTTP/1.1\r\nhost: x\r\ncontent-length: " + std::to_string(body.size()) +
         "\r\n\r\n" + body;
}

}  // namespace

TEST_CASE("keep-alive, and requests sent ahead are answered in order") {
  Fixture fixture;
  RawClient client(fixture.port);
  client.Send(Post("/one", "a"));
  CHECK(client.ReadResponse().body == "POST /one a");
  client.Send(Post("/two", "b") + Post("/three", "c") +
              "GET /fo%75r?q=1 HTTP/1.1\r\nhost: x\r\n\r\n");
  CHECK(client.ReadResponse().body == "POST /two b");
  CHECK(client.ReadResponse().body == "POST /three c");
  CHECK(client.ReadResponse().body == "GET /four ");
  CHECK(fixture.server->connections() == 1);
}

TEST_CASE("a request sent ahead waits for the reply before it") {
  Fixture fixture;
  RawClient client(fixture.port);
  client.Send(Post("/hold", "") + Post("/next", "n"));
  const auto held = fixture.WaitForHeld();
  fixture.server->Post([held] {
    held->StartStream({.content_type = "text/plain"}, "");
    held->Write("first");
    held->Finish();
  });
  CHECK(client.ReadUntil("\r\n\r\n").find("transfer-encoding: chunked") != std::string::npos);
  CHECK(client.ReadChunks() == "first");
  CHECK(client.ReadResponse().body == "POST /next n");
  CHECK(fixture.gone == 0);
}

TEST_CASE("HEAD has the header of GET and no body; Connection: close and HTTP/1.0 close") {
  Fixture fixture;
  RawClient client(fixture.port);
  client.Send(
      "HEAD /h HTTP/1.1\r\nhost: x\r\n\r\nGET /g HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
  const auto head = client.ReadResponse(false);
  CHECK(head.code == 200);
  CHECK(head.Has("content-length: 8"));
  CHECK(head.Has("date: Sun, 06 Nov 1994 08:49:37 GMT"));
  CHECK(client.ReadResponse().body == "GET /g ");
  CHECK(client.AtEnd());
  RawClient old(fixture.port);
  old.Send("GET /hold HTTP/1.0\r\n\r\n");
  const auto held = fixture.WaitForHeld();
  fixture.server->Post([held] {
    held->StartStream({.content_type = "text/plain"}, "");
    held->Write("no chunks");
    held->Finish();
  });
  const std::string all = old.ReadAll();
  CHECK(all.find("chunked") == std::string::npos);
  CHECK(all.substr(all.size() - 13) == "\r\n\r\nno chunks");
}

TEST_CASE("a stream that ends after its last byte was sent ends the reply all the same") {
  Fixture fixture;
  const auto stream = [&](const std::string& request, RawClient& client) {
    client.Send(request);
    const auto held = fixture.WaitForHeld();
    std::atomic<bool> drained = false;
    fixture.server->Post([&, held] {
      held->OnDrained([&] { drained = true; });
      held->StartStream({.content_type = "text/plain"}, "");
      held->Write("body");
    });
    REQUIRE(Eventually([&] { return drained.load(); }));
    fixture.server->Post([held] { held->Finish(); });
  };
  SECTION("HTTP/1.0: the connection closes") {
    RawClient client(fixture.port);
    stream("GET /hold HTTP/1.0\r\n\r\n", client);
    CHECK(client.ReadAll().ends_with("\r\n\r\nbody"));
  }
  SECTION("HEAD: the next request is answered") {
    RawClient client(fixture.port);
    stream("HEAD /hold HTTP/1.1\r\nhost: x\r\n\r\n", client);
    CHECK(client.ReadResponse(false).Has("transfer-encoding: chunked"));
    client.Send(Post("/next", "n"));
    CHECK(client.ReadResponse().body == "POST /next n");
  }
}

TEST_CASE("a large body waits for 100-continue") {
  Fixture fixture;
  RawClient client(fixture.port);
  client.Send("POST /big HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 3\r\n\r\n");
  CHECK(client.ReadUntil("\r\n\r\n") == "HTTP/1.1 100 Continue\r\n\r\n");
  client.Send("abc");
  CHECK(client.ReadResponse().body == "POST /big abc");
}

TEST_CASE("limits of header and body, and what is no HTTP") {
  Fixture fixture({.max_header_bytes = 1000, .max_body_bytes = 100});
  RawClient fits(fixture.port);
  fits.Send(Post("/fits", std::string(100, 'x')));
  CHECK(fits.ReadResponse().code == 200);
  const auto [request, code] = GENERATE(table<std::string, int>({
      {Post("/", std::string(101, 'x')), 413},
      {"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n65\r\n" +
           std::string(101, 'x'),
       413},
      {"GET / HTTP/1.1\r\nhost: x\r\nx: " + std::string(1000, 'y') + "\r\n\r\n", 431},
      {"NONSENSE\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nhost: x\r\nbad header\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999999999999999\r\n\r\n", 400},
      {std::string("\x16\x03\x01\x02\x00", 5) + "\r\n\r\n", 400},  // TLS on a plain port
  }));
  INFO(request.substr(0, 60));
  RawClient client(fixture.port);
  client.Send(request);
  const auto response = client.ReadResponse();
  CHECK(response.code == code);
  CHECK(response.body.find("{\"error\":{\"message\":") == 0);
  CHECK(client.AtEnd());
}

TEST_CASE("timeouts: idle, slow request, a reader that takes nothing") {
  Fixture fixture;
  SECTION("an idle connection is closed") {
    RawClient client(fixture.port);
    client.Send(Post("/one", ""));
    client.ReadResponse();
    CHECK(Eventually([&] {
      fixture.clock.Advance(Seconds(76));
      return fixture.server->connections() == 0;
    }));
    CHECK(client.AtEnd());
  }
  SECTION("half a header, half a body: 408") {
    const std::string half =
        GENERATE(std::string("GET / HT"),
                 std::string("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nab"));
    RawClient client(fixture.port);
    client.Send(half);
    std::this_thread::sleep_for(std::chrono::milliseconds(200));  // for it to arrive
    fixture.clock.Advance(Seconds(31));
    CHECK(client.ReadResponse().code == 408);
  }
  SECTION("a stalled reader is hung up on") {
    RawClient client(fixture.port, 4096);
    client.Send("GET /hold HTTP/1.1\r\nhost: x\r\n\r\n");
    const auto held = fixture.WaitForHeld();
    std::atomic<bool> written = false;
    fixture.server->Post([&, held] {
      held->StartStream({.content_type = "text/plain"}, "");
      held->Write(std::string(16 << 20, 'x'));
      written = true;
    });
    REQUIRE(Eventually([&] { return written.load(); }));
    std::this_thread::sleep_for(
        std::chrono::milliseconds(300));  // the head is sent, the rest stuck
    CHECK(fixture.gone == 0);
    CHECK(Eventually([&] {
      fixture.clock.Advance(Seconds(31));
      return fixture.gone == 1;
    }));
  }
}

TEST_CASE("a client that hangs up is noticed while nothing is written") {
  Fixture fixture;
  {
    RawClient client(fixture.port);
    client.Send("GET /hold HTTP/1.1\r\nhost: x\r\n\r\n");
    const auto held = fixture.WaitForHeld();
    client.Close();
    CHECK(Eventually([&] { return fixture.gone == 1; }));
    held->Send({.body = "too late"});  // does nothing
  }
  CHECK(Eventually([&] { return fixture.server->connections() == 0; }));
  REQUIRE(fixture.replies().size() == 1);
  CHECK(fixture.replies()[0] == std::pair<std::string, int>("/hold", 499));
}

TEST_CASE("a client that only ends its sending gets its answers") {
  Fixture fixture;
  RawClient client(fixture.port);
  SECTION("a whole reply, and to what it sent ahead") {
    client.Send(Post("/hold", "a") + Post("/next", "b"));
    client.EndSending();
    const auto held = fixture.WaitForHeld();
    CHECK(client.AwaitBytes());  // the first of the reply: is the client there?
    fixture.server->Post([held] { held->Send({.content_type = "text/plain", .body = "whole"}); });
    const auto whole = client.ReadResponse();
    CHECK(whole.head.starts_with("HTTP/1.1 200 OK\r\nserver:"));
    CHECK(whole.body == "whole");
    CHECK(client.ReadResponse().body == "POST /next b");
  }
  SECTION("a stream") {
    client.Send(Post("/hold", ""));
    const auto held = fixture.WaitForHeld();
    fixture.server->Post(
        [held] { held->StartStream({.content_type = "text/event-stream"}, ": still here\n\n"); });
    client.ReadUntil("\r\n\r\n");
    client.EndSending();
    CHECK(client.ReadUntil("\n\n\r\n") == "e\r\n: still here\n\n\r\n");
    fixture.server->Post([held] {
      held->Write("first");
      held->Finish();
    });
    CHECK(client.ReadChunks() == "first");
  }
  SECTION("HTTP/1.0") {
    client.Send("GET /hold HTTP/1.0\r\n\r\n");
    client.EndSending();
    const auto held = fixture.WaitForHeld();
    CHECK(client.AwaitBytes());
    fixture.server->Post([held] { held->Send({.content_type = "text/plain", .body = "old"}); });
    CHECK(client.ReadUntil("old").starts_with("HTTP/1.1 200"));
  }
  CHECK(client.AtEnd());
  CHECK(fixture.gone == 0);
  CHECK(Eventually([&] { return fixture.server->connections() == 0; }));
}

TEST_CASE("comments keep a quiet stream alive") {
  Fixture fixture;
  RawClient client(fixture.port);
  client.Send("GET /hold HTTP/1.1\r\nhost: x\r\n\r\n");
  const auto held = fixture.WaitForHeld();
  fixture.server->Post(
      [held] { held->StartStream({.content_type = "text/event-stream"}, ": keep-alive\n\n"); });
  client.ReadUntil("\r\n\r\n");
  fixture.clock.Advance(Seconds(16));
  CHECK(client.ReadUntil("\n\n\r\n") == "e\r\n: keep-alive\n\n\r\n");
  fixture.server->Post([held] { held->Finish(); });
  CHECK(client.ReadChunks() == "");
}

TEST_CASE("what is written and not sent is counted, and its end announced") {
  Fixture fixture;
  RawClient client(fixture.port, 4096);
  client.Send("GET /hold HTTP/1.1\r\nhost: x\r\n\r\n");
  const auto held = fixture.WaitForHeld();
  std::atomic<size_t> unsent = 0;
  std::atomic<int> drained = 0;
  fixture.server->Post([&, held] {
    held->OnDrained([&] { ++drained; });
    held->StartStream({.content_type = "text/plain"}, "");
    held->Write(std::string(16 << 20, 'x'));
    unsent = held->unsent_bytes();
  });
  REQUIRE(Eventually([&] { return unsent > 0; }));
  CHECK(unsent > (16u << 20) - 1);
  fixture.server->Post([held] { held->Finish(); });
  client.ReadUntil("\r\n\r\n");
  CHECK(client.ReadChunks().size() == 16u << 20);
}

TEST_CASE("one connection too many gets 503 if all are at work") {
  Fixture fixture({.max_connections = 2});
  RawClient one(fixture.port), two(fixture.port);
  one.Send("GET /hold HTTP/1.1\r\nhost: x\r\n\r\n");
  const auto held = fixture.WaitForHeld();
  two.Send("GET /hold HTTP/1.1\r\nhost: x\r\n\r\n");
  const auto also_held = fixture.WaitForHeld();
  RawClient three(fixture.port);
  const auto refused = three.ReadResponse();
  CHECK(refused.code == 503);
  CHECK(refused.Has("retry-after: 1"));
  one.Close();
  CHECK(Eventually([&] { return fixture.server->connections() == 1; }));
  RawClient four(fixture.port);
  four.Send(Post("/c", ""));
  CHECK(four.ReadResponse().code == 200);
}

TEST_CASE("at the limit the connection that was idle for longest gives way") {
  Fixture fixture({.max_connections = 3});
  const auto arrives = [&](size_t connections) {
    REQUIRE(Eventually([&] { return fixture.server->connections() == connections; }));
    fixture.clock.Advance(Seconds(1));
  };
  RawClient busy(fixture.port), silent(fixture.port), kept(fixture.port);
  busy.Send("GET /hold HTTP/1.1\r\nhost: x\r\n\r\n");
  const auto held = fixture.WaitForHeld();
  arrives(3);  // `silent` never sends a byte
  kept.Send(Post("/a", ""));
  CHECK(kept.ReadResponse().code == 200);
  fixture.clock.Advance(Seconds(1));
  RawClient fourth(fixture.port);
  CHECK(silent.AtEnd());
  fixture.clock.Advance(Seconds(1));
  fourth.Send(Post("/b", ""));
  CHECK(fourth.ReadResponse().body == "POST /b ");
  RawClient fifth(fixture.port);
  CHECK(kept.AtEnd());
  CHECK(RawClient(fixture.port).ReadResponse().code == 503);  // the others have only just come
  fifth.Send(Post("/c", ""));
  CHECK(fifth.ReadResponse().body == "POST /c ");
  CHECK(fixture.server->connections() == 3);
  CHECK(fixture.gone == 0);
  fixture.server->Post([held] { held->Send({.content_type = "text/plain", .body = "late"}); });
  CHECK(busy.ReadResponse().body == "late");
}

TEST_CASE("a port that is in use, an address that is none") {
  Fixture fixture;
  SteeredClock clock;
  HttpServer second({.port = fixture.port, .clock = clock.clock()}, [](auto) {});
  const auto started = second.Start();
  REQUIRE(!started.ok());
  CHECK(started.status().code() == absl::StatusCode::kUnavailable);
  CHECK(started.status().message().find(std::to_string(fixture.port)) != std::string::npos);
  HttpServer nowhere({.address = "somewhere", .clock = clock.clock()}, [](auto) {});
  CHECK(nowhere.Start().status().code() == absl::StatusCode::kInvalidArgument);
}

TEST_CASE("random bytes never bring the server down") {
  Fixture fixture;
  const unsigned seed = 4711;
  INFO("seed " << seed);
  std::srand(seed);
  for (int round = 0; round < 200; ++round) {
    RawClient client(fixture.port);
    std::string bytes = round % 2 == 0 ? "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n" : "";
    for (int i = std::rand() % 80; i > 0; --i) bytes += static_cast<char>(std::rand());
    client.Send(bytes + "\r\n\r\n");
  }
  RawClient client(fixture.port);
  client.Send(Post("/still", "here"));
  CHECK(client.ReadResponse().body == "POST /still here");
}

TEST_CASE("percent escapes and dates") {
  CHECK(PathOf("/a%2Fb?c=%20") == "/a/b");
  CHECK(PathOf("/a%2Fb%zz?%") == "/a%2Fb%zz");  // not valid: as it was sent
  CHECK(PathOf("?") == "");
  CHECK(HttpDate(0) == "Thu, 01 Jan 1970 00:00:00 GMT");
}

}  // namespace waferline::http
