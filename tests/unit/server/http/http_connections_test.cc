// Connections: which are closed and when, which give way, what is noticed of a client that is gone
// or slow.
#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <string>
#include <thread>
#include <utility>

#include "tests/unit/server/http/server_fixture.h"

namespace waferline::http {

TEST_CASE("timeouts: idle, slow request, a reader that takes nothing") {
  ServerFixture fixture;
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
  ServerFixture fixture;
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
  ServerFixture fixture;
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
  ServerFixture fixture;
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
  ServerFixture fixture;
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
  ServerFixture fixture({.max_connections = 2});
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
  ServerFixture fixture({.max_connections = 3});
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

}  // namespace waferline::http
