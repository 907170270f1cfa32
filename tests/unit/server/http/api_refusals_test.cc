// What is refused, with which code, and when to come again.
#include <catch2/catch.hpp>

#include "tests/unit/server/http/api_fixture.h"

namespace waferline::http {

TEST_CASE("what the worker has no room for is asked to come again") {
  Fixture fixture;
  std::promise<void> running, release;
  fixture.texts.Run([&](const absl::Status&) {
    running.set_value();
    release.get_future().wait();
  });
  running.get_future().wait();
  for (size_t i = 0; i < serving::TextWorker::kMaxWaiting; ++i) {
    fixture.texts.Run([](const absl::Status&) {});
  }
  RawClient client(fixture.port);
  client.Send(Post("/v1/completions", kText + R"(,"structured_outputs":{"regex":"b+"}})"));
  const auto response = client.ReadResponse();
  CHECK(response.code == 503);
  CHECK(response.head.find("retry-after: 1\r\n") != std::string::npos);
  release.set_value();
}

TEST_CASE("refusals are HTTP codes and say when to come back") {
  Fixture fixture;
  const bool stream = GENERATE(true, false);
  const auto [status, retry, code, header] =
      GENERATE(table<absl::Status, Nanoseconds, int, std::string>({
          {absl::UnavailableError("full"), Milliseconds(1500), 503, "retry-after-ms: 1500"},
          {absl::UnavailableError("full"), Milliseconds(1500), 503, "retry-after: 2"},
          {absl::ResourceExhaustedError("yours"), Microseconds(10), 429, "retry-after-ms: 1\r"},
          {absl::UnavailableError("never"), Nanoseconds(0), 503, "x-should-retry: false"},
          {absl::DeadlineExceededError("late"), Nanoseconds(0), 504, "content-length"},
      }));
  RawClient client(fixture.port);
  client.Send(Post("/v1/chat/completions", kChat + (stream ? R"(,"stream":true})" : "}")));
  fixture.door.sink(0)->OnRefused({status, retry});
  const auto response = client.ReadResponse();
  CHECK(response.code == code);
  CHECK(response.Has(header));
  CHECK(response.body.find(std::string(status.message())) != std::string::npos);
}

TEST_CASE("one choice refused: the others are cancelled, and the answer is the refusal") {
  Fixture fixture;
  RawClient client(fixture.port);
  client.Send(Post("/v1/chat/completions", kChat + R"(,"stream":true,"n":2})"));
  fixture.door.sink(0)->OnAdmitted();
  fixture.door.sink(1)->OnRefused({absl::UnavailableError("full"), Seconds(1)});
  CHECK(client.ReadResponse().code == 503);
  CHECK(Eventually([&] { return fixture.door.cancelled(0); }));
  CHECK(!fixture.door.cancelled(1));
  fixture.door.sink(0)->OnOutcome(Ended(0, FinishReason::kCancelled));
}

TEST_CASE("a mailbox that is full, also in the middle of a request") {
  Fixture fixture;
  fixture.door.set_capacity(2);
  RawClient client(fixture.port);
  client.Send(Post("/v1/completions", kText + R"(,"n":3})"));
  const auto response = client.ReadResponse();
  CHECK(response.code == 503);
  CHECK(response.Has("retry-after-ms: "));
  CHECK(Eventually([&] { return fixture.door.cancelled(0) && fixture.door.cancelled(1); }));
  fixture.door.sink(0)->OnOutcome(Ended(0, FinishReason::kCancelled));
  fixture.door.sink(1)->OnOutcome(Ended(0, FinishReason::kCancelled));
  client.Send(Post("/v1/completions", kText + "}"));  // with nothing in flight
  CHECK(client.ReadResponse().code == 503);
}

TEST_CASE("budgets: headers tell, 429 refuses before the engine is asked") {
  Fixture fixture({.limits = {.requests_day = 100, .tokens_minute = 60}});
  RawClient client(fixture.port);
  client.Send(Post("/v1/completions", kText + "}"));
  fixture.door.sink(0)->OnAdmitted();
  fixture.door.sink(0)->OnOutcome(Ended(1));
  const auto first = client.ReadResponse();
  CHECK(first.code == 200);
  CHECK(first.Has("x-ratelimit-limit-tokens-minute: 60"));
  CHECK(first.Has("x-ratelimit-remaining-tokens-minute: 7"));  // 3 + 50 were charged
  CHECK(first.Has("x-ratelimit-remaining-requests-day: 99"));
  // 4 were used: 56 are left.
  client.Send(Post("/v1/completions", kText + "}"));
  fixture.door.sink(1)->OnAdmitted();
  client.Send(Post("/v1/completions", kText + "}"));
  fixture.door.sink(1)->OnOutcome(Ended(50));
  CHECK(client.ReadResponse().code == 200);
  const auto over = client.ReadResponse();
  CHECK(over.code == 429);
  CHECK(over.Has("retry-after-ms: "));
  CHECK(over.body.find("rate_limit_exceeded") != std::string::npos);
  CHECK(fixture.door.submitted() == 2);
}

TEST_CASE("who may not ask is refused before the body is sent") {
  Fixture fixture({.keys = {{.key = "k1", .tenant = "t1"}}});
  const auto code = [&](const std::string& head) {
    RawClient client(fixture.port);
    client.Send(head + "host: localhost\r\ncontent-length: 1000000\r\n\r\n");
    const auto refused = client.ReadResponse();
    CHECK(refused.Has("x-request-id: "));
    CHECK(client.AtEnd());
    return refused.code;
  };
  CHECK(code("POST /v1/completions HTTP/1.1\r\n") == 401);
  CHECK(code("POST /v1/completions HTTP/1.1\r\nauthorization: Bearer no\r\n") == 401);
  CHECK(code("POST /admin/drain HTTP/1.1\r\nauthorization: Bearer k1\r\n") == 403);
  CHECK(code("POST /nothing HTTP/1.1\r\n") == 404);
  CHECK(code("POST /v1/models HTTP/1.1\r\n") == 405);
  RawClient page(fixture.port);
  page.Send(
      "POST /v1/completions HTTP/1.1\r\nhost: x\r\norigin: http://localhost:3\r\n"
      "content-length: 9\r\n\r\n");
  CHECK(page.ReadResponse().Has("access-control-allow-origin: http://localhost:3\r\n"));
}

TEST_CASE("flat errors, as Cerebras sends them") {
  Fixture fixture({.error_shape = openai::ErrorShape::kFlat});
  RawClient client(fixture.port);
  client.Send(Post("/v1/completions", R"({"model":"none","prompt":"a"})"));
  CHECK(client.ReadResponse().body.find("{\"message\":") == 0);
}

}  // namespace waferline::http
