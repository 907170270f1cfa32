// Where one request ends and the next begins: what RFC 9112 wants of a server, and a corpus of
// requests by which others were smuggled past proxies. A request that is refused closes its
// connection, so nothing after it is ever taken for a request.
#include <zlib.h>

#include <catch2/catch.hpp>
#include <mutex>
#include <string>
#include <vector>

#include "server/http/gzip.h"
#include "server/http/head_rules.h"
#include "server/http/head_scan.h"
#include "server/http/http_server.h"
#include "tests/unit/server/http/raw_client.h"
#include "tests/unit/server/http/steered_clock.h"

namespace waferline::http {
namespace {

class Echo {
 public:
  explicit Echo(ServerOptions options = {}) {
    options.clock = clock.clock();
    server = std::make_unique<HttpServer>(options, [this](std::shared_ptr<Exchange> exchange) {
      const Request& request = exchange->request();
      {
        const std::lock_guard lock(mutex_);
        paths_.push_back(request.path);
      }
      exchange->Send(
          {.content_type = "text/plain",
           .body = request.path + "|" + std::string(request.Header("host")) + "|" + request.body});
    });
    const auto bound = server->Start();
    REQUIRE(bound.ok());
    port = *bound;
  }
  ~Echo() { server->Stop(); }

  std::vector<std::string> paths() {
    const std::lock_guard lock(mutex_);
    return paths_;
  }
  RawClient::Response Ask(const std::string& bytes) {
    RawClient client(port);
    client.Send(bytes);
    return client.ReadResponse();
  }

  SteeredClock clock;
  std::unique_ptr<HttpServer> server;
  uint16_t port = 0;

 private:
  std::mutex mutex_;
  std::vector<std::string> paths_;
};

std::string Packed(const std::string& text) {
  z_stream stream{};
  REQUIRE(deflateInit2(&stream, 9, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string out(deflateBound(&stream, text.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  REQUIRE(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

std::string Coded(const std::string& coding, const std::string& body) {
  return "POST /c HTTP/1.1\r\nhost: x\r\ncontent-encoding: " + coding +
         "\r\ncontent-length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

}  // namespace

TEST_CASE("a request with two readings is refused, and what follows it is not a request") {
  // Each would leave "GET /smuggled" to be answered, were it read another way.
  const std::string smuggled = "GET /smuggled HTTP/1.1\r\nhost: x\r\n\r\n";
  const std::string chunks = "0\r\n\r\n" + smuggled;
  const std::string post = "POST / HTTP/1.1\r\n";
  const auto [request, code] = GENERATE_COPY(table<std::string, int>({
      // Both lengths, in either order, and lengths that differ or are none.
      {post + "host: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n" + chunks, 400},
      {post + "host: x\r\ntransfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n" + chunks, 400},
      {post + "host: x\r\ntransfer-encoding: xchunked\r\ncontent-length: 5\r\n\r\n" + chunks, 400},
      {post + "host: x\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n" + chunks, 400},
      {post + "host: x\r\ncontent-length: 5, 6\r\n\r\n" + chunks, 400},
      {post + "host: x\r\ncontent-length: +5\r\n\r\n" + chunks, 400},
      {post + "host: x\r\ncontent-length: 0x5\r\n\r\n" + chunks, 400},
      {post + "host: x\r\ncontent-length: 5 5\r\n\r\n" + chunks, 400},
      {post + "host: x\r\ncontent-length:\r\n\r\n" + chunks, 400},
      // Transfer codings.
      {post + "host: x\r\ntransfer-encoding: xchunked\r\n\r\n" + chunks, 501},
      {post + "host: x\r\ntransfer-encoding: gzip, chunked\r\n\r\n" + chunks, 501},
      {post + "host: x\r\ntransfer-encoding: chunked, identity\r\n\r\n" + chunks, 501},
      {post + "host: x\r\ntransfer-encoding: identity\r\n\r\n" + chunks, 501},
      {post + "host: x\r\ntransfer-encoding: \"chunked\"\r\n\r\n" + chunks, 501},
      {post + "host: x\r\ntransfer-encoding: chunked;q=1\r\n\r\n" + chunks, 501},
      {post + "host: x\r\ntransfer-encoding: chunked, chunked\r\n\r\n" + chunks, 400},
      {post + "host: x\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n" +
           chunks,
       400},
      {post + "host: x\r\ntransfer-encoding: chunked\r\ntransfer-encoding: x\r\n\r\n" + chunks,
       400},
      {"POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n" + chunks, 400},
      // Fields that another parser may not see, or see elsewhere.
      {post + "host: x\r\ntransfer-encoding : chunked\r\n\r\n" + chunks, 400},
      {post + "host: x\r\n transfer-encoding: chunked\r\n\r\n" + chunks, 400},
      {post + "host: x\r\nx: y\r\n transfer-encoding: chunked\r\n\r\n" + chunks, 400},
      {post + "host: x\r\ntransfer-encoding:\r\n chunked\r\n\r\n" + chunks, 400},
      {post + "host: x\r\nx: y\ntransfer-encoding: chunked\r\n\r\n" + chunks, 400},
      {post + "host: x\r\nx: y\rtransfer-encoding: chunked\r\n\r\n" + chunks, 400},
      {post + "host: x\r\nx: y\n\n" + smuggled, 400},
      {post + "host: x\r\nx: " + std::string("y\0z", 3) + "\r\n\r\n" + chunks, 400},
      {post + "host: x\r\n\x0btransfer-encoding: chunked\r\n\r\n" + chunks, 400},
      {post +
           "host: x\r\ntransfer-encoding: \x0b"
           "chunked\r\n\r\n" +
           chunks,
       400},
      {post + "host: x\r\n: empty\r\n\r\n" + smuggled, 400},
      {" " + post + "host: x\r\n\r\n" + smuggled, 400},
      {"POST  / HTTP/1.1\r\nhost: x\r\n\r\n" + smuggled, 400},
      {"POST / HTTP/1.1 \r\nhost: x\r\n\r\n" + smuggled, 400},
      {"POST / HTTP/2.0\r\nhost: x\r\n\r\n" + smuggled, 400},
      {"POST /\r\nhost: x\r\n\r\n" + smuggled, 400},
      {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + smuggled, 400},
      // Chunks.
      {post + "host: x\r\ntransfer-encoding: chunked\r\n\r\n0x1\r\na\r\n" + chunks, 400},
      {post + "host: x\r\ntransfer-encoding: chunked\r\n\r\n-1\r\na\r\n" + chunks, 400},
      {post + "host: x\r\ntransfer-encoding: chunked\r\n\r\n1\na\n" + chunks, 400},
      {post + "host: x\r\ntransfer-encoding: chunked\r\n\r\n1\r\nab\r\n" + chunks, 400},
      {post + "host: x\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffff1\r\na\r\n" + chunks,
       400},
      {post + "host: x\r\ntransfer-encoding: chunked\r\n\r\n1 \r\na\r\n" + chunks, 400},
      // Hosts and targets.
      {post + "content-length: 0\r\n\r\n" + smuggled, 400},
      {post + "host: x\r\nhost: x\r\n\r\n" + smuggled, 400},
      {post + "host: x\r\nHost: y\r\n\r\n" + smuggled, 400},
      {post + "host: x, y\r\n\r\n" + smuggled, 400},
      {post + "host: x/y\r\n\r\n" + smuggled, 400},
      {post + "host: a@x\r\n\r\n" + smuggled, 400},
      {post + "host: x:port\r\n\r\n" + smuggled, 400},
      {post + "host: [::1\r\n\r\n" + smuggled, 400},
      {"POST x/y HTTP/1.1\r\nhost: x\r\n\r\n" + smuggled, 400},
      {"POST ftp://x/y HTTP/1.1\r\nhost: x\r\n\r\n" + smuggled, 400},
      {"POST http:/y HTTP/1.1\r\nhost: x\r\n\r\n" + smuggled, 400},
      {"CONNECT x:80 HTTP/1.1\r\nhost: x:80\r\n\r\n" + smuggled, 400},
      // Expectations.
      {post + "host: x\r\nexpect: 200-ok\r\ncontent-length: 5\r\n\r\n" + chunks, 417},
  }));
  INFO(request.substr(0, request.size() - smuggled.size()));
  Echo echo;
  RawClient client(echo.port);
  client.Send(request);
  CHECK(client.ReadResponse().code == code);
  CHECK(client.AtEnd());
  for (const std::string& path : echo.paths()) CHECK(path != "/smuggled");
}

TEST_CASE("what RFC 9112 wants served is served") {
  Echo echo;
  const auto body = [&](const std::string& bytes) { return echo.Ask(bytes).body; };
  CHECK(body("\r\n\r\nGET /lines HTTP/1.1\r\nhost: x\r\n\r\n") == "/lines|x|");
  CHECK(body("GET http://h:1/abs?q HTTP/1.1\r\nhost: other\r\n\r\n") == "/abs|h:1|");
  CHECK(body("GET http://h HTTP/1.1\r\nhost: h\r\n\r\n") == "/|h|");
  CHECK(body("OPTIONS * HTTP/1.1\r\nhost: h\r\n\r\n") == "*|h|");
  CHECK(body("GET /old HTTP/1.0\r\n\r\n") == "/old||");
  CHECK(body("GET /empty HTTP/1.1\r\nhost:\r\n\r\n") == "/empty||");
  CHECK(body("GET /v6 HTTP/1.1\r\nHOST: [::1]:80\r\n\r\n") == "/v6|[::1]:80|");
  CHECK(body("POST /same HTTP/1.1\r\nhost: x\r\ncontent-length: 2, 2\r\n\r\nab") == "/same|x|ab");
  CHECK(body("POST /case HTTP/1.1\r\nhost: x\r\ntransfer-encoding: Chunked\r\n\r\n"
             "2;name=value\r\nab\r\n0\r\ntrailer: t\r\n\r\n") == "/case|x|ab");
  CHECK(body("GET /tab HTTP/1.1\r\nhost: x\r\nx:\ty\t\r\n\r\n") == "/tab|x|");

  RawClient client(echo.port);  // line ends after a body are not the next request
  client.Send("POST /a HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\n\r\nb\r\n");
  CHECK(client.ReadResponse().body == "/a|x|b");
  client.Send("\r\n");
  client.Send("GET /b HTTP/1.1\r\nhost: x\r\n\r\n");
  CHECK(client.ReadResponse().body == "/b|x|");
}

TEST_CASE("how a head is cut into packets changes nothing") {
  const std::string head = "GET /a HTTP/1.1\r\nhost: x\r\n\r\n";
  for (size_t cut = 1; cut < head.size(); ++cut) {
    HeadScan scan;
    REQUIRE(scan.Scan(head.substr(0, cut)) == HeadScan::State::kMore);
    REQUIRE(scan.Scan(head + "more") == HeadScan::State::kWhole);
    REQUIRE(scan.size() == head.size());
  }
}

TEST_CASE("a body packed with gzip is unpacked, bounded; other codings and types are named") {
  Echo echo({.max_body_bytes = 1000});
  CHECK(echo.Ask(Coded("gzip", Packed("hello"))).body == "/c|x|hello");
  CHECK(echo.Ask(Coded("X-Gzip", Packed("hello"))).body == "/c|x|hello");
  CHECK(echo.Ask(Coded("identity", "plain")).body == "/c|x|plain");
  CHECK(echo.Ask(Coded("gzip", Packed("two ") + Packed("members"))).body == "/c|x|two members");
  CHECK(echo.Ask(Coded("gzip", Packed(std::string(1000, 'x')))).code == 200);
  CHECK(echo.Ask(Coded("gzip", Packed(std::string(1001, 'x')))).code == 413);
  CHECK(echo.Ask(Coded("gzip", Packed(std::string(900'000, 'x')))).code == 413);  // a bomb
  CHECK(echo.Ask(Coded("gzip", "not packed")).code == 400);
  CHECK(echo.Ask(Coded("gzip", Packed("cut off").substr(0, 12))).code == 400);
  const auto coded = echo.Ask(Coded("br", "x"));
  CHECK(coded.code == 415);
  CHECK(coded.Has("accept-encoding: gzip, identity\r\n"));
  CHECK(coded.body.find("'br'") != std::string::npos);
  const auto typed = [&](const std::string& type) {
    return echo.Ask("POST /t HTTP/1.1\r\nhost: x\r\ncontent-type: " + type +
                    "\r\ncontent-length: 2\r\n\r\n{}");
  };
  for (const char* type : {"application/json", "Application/JSON; charset=utf-8", "text/plain",
                           "application/x-www-form-urlencoded", "application/problem+json"}) {
    INFO(type);
    CHECK(typed(type).code == 200);
  }
  for (const char* type :
       {"application/vnd.msgpack", "application/msgpack", "multipart/form-data; boundary=x"}) {
    INFO(type);
    const auto refused = typed(type);
    CHECK(refused.code == 415);
    CHECK(refused.body.find("application/json") != std::string::npos);
  }
}

TEST_CASE("a request is refused by its head, before its body is sent") {
  Echo echo({.admit = [](const Request& request) -> std::optional<Reply> {
    if (request.path == "/yes") return std::nullopt;
    return Reply{.code = 401, .content_type = "text/plain", .body = "no " + request.path};
  }});
  RawClient client(echo.port);
  client.Send("POST /no HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 9\r\n\r\n");
  const auto refused = client.ReadResponse();  // not 100
  CHECK(refused.code == 401);
  CHECK(refused.body == "no /no");
  CHECK(client.AtEnd());
  CHECK(echo.paths().empty());
  CHECK(echo.Ask("POST /yes HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\n\r\na").code == 200);
}

TEST_CASE("bodies of all connections share a budget, from the head to the reply's end") {
  Echo echo({.max_body_bytes = 60, .max_bodies_bytes = 100});
  const std::string sixty = "POST /p HTTP/1.1\r\nhost: x\r\ncontent-length: 60\r\n\r\n";
  auto first = std::make_unique<RawClient>(echo.port);
  first->Send(sixty + "a");
  // Its head may not have been read yet when the second comes: asks until it is.
  CHECK(Eventually([&] {
    const auto refused = echo.Ask(sixty + std::string(60, 'x'));
    return refused.code == 503 && refused.Has("retry-after: 1\r\n");
  }));
  const std::string chunked =
      "POST /p HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n";
  CHECK(echo.Ask(chunked).code == 503);  // may be the longest
  CHECK(echo.Ask("POST /p HTTP/1.1\r\nhost: x\r\ncontent-length: 40\r\n\r\n" + std::string(40, 'x'))
            .code == 200);
  first->Send(std::string(59, 'b'));
  CHECK(first->ReadResponse().code == 200);
  CHECK(echo.Ask(chunked).code == 200);
  first->Send(sixty);  // and goes away
  first.reset();
  CHECK(Eventually([&] { return echo.Ask(chunked).code == 200; }));
}

}  // namespace waferline::http
