// The server without its API: bytes on real sockets, every limit of a request reached.
#include "server/http/http_server.h"

#include <catch2/catch.hpp>

#include "server/http/head_rules.h"
#include "server/http/response_head.h"
#include "tests/unit/server/http/server_fixture.h"

namespace waferline::http {

TEST_CASE("keep-alive, and requests sent ahead are answered in order") {
  ServerFixture fixture;
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
  ServerFixture fixture;
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
  ServerFixture fixture;
  RawClient client(fixture.port);
  client.Send(
      "HEAD /h HTTP/1.1\r\nhost: x\r\n\r\nGET /g HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
  const auto head = client.ReadResponse(false);
  CHECK(head.code == 200);
  CHECK(head.Has("content-length: 8"));
  CHECK(head.Has("date: Sun, 06 Nov 1994 08:49:37 GMT"));
  CHECK(client.ReadResponse().body == "GET /g ");
  CHECK(client.AtEnd());
  RawClient refused(fixture.port);
  refused.Send(
      "HEAD /h HTTP/1.1\r\nhost: x\r\ncontent-encoding: gzip\r\ncontent-length: 3\r\n\r\nabc");
  const std::string refusal = refused.ReadAll();
  CHECK(refusal.starts_with("HTTP/1.1 400"));
  CHECK(refusal.ends_with("\r\n\r\n"));
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
  ServerFixture fixture;
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
  ServerFixture fixture;
  RawClient client(fixture.port);
  client.Send("POST /big HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 3\r\n\r\n");
  CHECK(client.ReadUntil("\r\n\r\n") == "HTTP/1.1 100 Continue\r\n\r\n");
  client.Send("abc");
  CHECK(client.ReadResponse().body == "POST /big abc");
}

TEST_CASE("limits of header and body, and what is not HTTP") {
  ServerFixture fixture({.max_header_bytes = 1000, .max_body_bytes = 100});
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

TEST_CASE("a port that is in use, an address that is none") {
  ServerFixture fixture;
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
  ServerFixture fixture;
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
