// The API over real sockets, with the engine played by hand.
#include "server/http/api.h"

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <catch2/catch.hpp>
#include <future>

#include "server/http/origin.h"
#include "server/http/reply_sink.h"
#include "tests/unit/server/http/puppet_admin.h"
#include "tests/unit/server/http/puppet_door.h"
#include "tests/unit/server/http/raw_client.h"
#include "tests/unit/server/http/steered_clock.h"
#include "tests/unit/server/openai/byte_model.h"

namespace waferline::http {
namespace {

namespace json = boost::json;

struct Setting {
  tenancy::TenantLimits limits;
  std::vector<tenancy::ApiKey> keys;
  openai::ErrorShape error_shape = openai::ErrorShape::kNested;
  Access access;
};

struct Counted final : metrics::FrontMetrics {
  void OnHostFirstToken(std::string_view, Nanoseconds) override { ++first_tokens; }
  void OnStreamEvent(std::string_view, uint32_t tokens) override {
    ++events;
    stream_tokens += tokens;
  }
  std::atomic<int> first_tokens = 0, events = 0, stream_tokens = 0;
};

class Fixture {
 public:
  explicit Fixture(const Setting& setting = {})
      : catalog(openai::ByteCatalog()), budgets(setting.limits, {}) {
    const auto made = tenancy::ApiKeys::Create(setting.keys);
    REQUIRE(made.ok());
    keys = *made;
    generations = std::make_unique<Generations>(
        serving::ServerDeps{.front_door = &door,
                            .models = &catalog,
                            .keys = &keys,
                            .budgets = &budgets,
                            .ledger = &ledger,
                            .meter = &meter,
                            .accounts = &accounts,
                            .metrics = &counted,
                            .admin_port = &admin,
                            .ids = &ids,
                            .texts = &texts,
                            .memory = &memory,
                            .tracer = &tracer,
                            .log = &log,
                            .clock = clock.clock()},
        openai::Dialect{.error_shape = setting.error_shape},
        [this](std::function<void()> task) { server->Post(std::move(task)); });
    api = std::make_unique<Api>(
        generations.get(),
        Operations{.health = [this](auto reply) { reply(health); },
                   .metrics = [](auto reply) { reply("waferline_up 1\n"); }},
        setting.access, [this](std::function<void()> task) { server->Post(std::move(task)); });
    server = std::make_unique<HttpServer>(
        ServerOptions{.clock = clock.clock(),
                      .admit = [this](const Request& request) { return api->Admit(request); }},
        [this](std::shared_ptr<Exchange> exchange) { api->Handle(std::move(exchange)); });
    const auto bound = server->Start();
    REQUIRE(bound.ok());
    port = *bound;
  }
  ~Fixture() {
    texts.Stop();
    server->Stop();
    door.Forget();
  }

  SteeredClock clock;
  PuppetDoor door;
  text::ModelCatalog catalog;
  tenancy::ApiKeys keys;
  tenancy::Budgets budgets;
  tenancy::UsageLedger ledger;
  metering::UsageMeter meter;
  accounts::Accounts accounts{{}};
  Counted counted;
  serving::RequestIdSource ids{1};
  serving::TextWorker texts{[] { return Nanoseconds(0); }};
  serving::MemoryGate memory;
  serving::RequestLog log;
  trace::Tracer tracer{{}};
  Health health;
  PuppetAdmin admin;
  std::unique_ptr<Generations> generations;
  std::unique_ptr<Api> api;
  std::unique_ptr<HttpServer> server;
  uint16_t port = 0;
};

std::string Post(const std::string& path, const std::string& body, const std::string& more = "") {
  return "POST " + path + " HTTP/1.1\r\nhost: localhost\r\n" + more +
         "content-length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}
std::string Get(const std::string& path, const std::string& more = "") {
  return "GET " + path + " HTTP/1.1\r\nhost: 127.0.0.1:1\r\n" + more + "\r\n";
}

const std::string kChat =
    R"({"model":"bytes","messages":[{"role":"user","content":"hi"}],"max_tokens":50,"seed":1)";
const std::string kText = R"({"model":"bytes","prompt":"ab","max_tokens":50)";

void Say(TokenSink* sink, const std::string& text, uint32_t first_index = 0) {
  for (size_t i = 0; i < text.size(); ++i) {
    const TokenValue value{static_cast<unsigned char>(text[i]), -1.0f, {}};
    sink->OnToken({first_index + static_cast<uint32_t>(i), &value,
                   Microseconds(static_cast<int64_t>(i) + 1)});
  }
}
Outcome Ended(uint32_t generated, FinishReason reason = FinishReason::kStop,
              absl::Status status = absl::OkStatus()) {
  return {reason, std::move(status), 3,
          0,      generated,         {.prefill = Milliseconds(1), .decode = Milliseconds(2)}};
}

std::vector<json::value> Events(const std::string& stream, bool* done = nullptr) {
  std::vector<json::value> events;
  for (size_t at = 0; at < stream.size();) {
    const size_t end = stream.find("\n\n", at);
    const std::string data = stream.substr(at + 6, end - at - 6);
    if (data == "[DONE]") {
      if (done != nullptr) *done = true;
    } else {
      events.push_back(json::parse(data));
    }
    at = end + 2;
  }
  return events;
}

}  // namespace

TEST_CASE("a chat is streamed as its tokens come") {
  Fixture fixture;
  RawClient client(fixture.port);
  client.Send(Post("/v1/chat/completions",
                   kChat + R"(,"stream":true,"stream_options":{"include_usage":true}})",
                   "x-request-id: abc-1\r\n"));
  TokenSink* sink = fixture.door.sink(0);
  CHECK(fixture.door.request(0)->request_id == "abc-1");
  sink->OnAdmitted();
  const std::string head = client.ReadUntil("\r\n\r\n");  // before any token
  CHECK(head.find("HTTP/1.1 200 OK\r\n") == 0);
  CHECK(head.find("content-type: text/event-stream; charset=utf-8\r\n") != std::string::npos);
  CHECK(head.find("x-request-id: abc-1\r\n") != std::string::npos);
  Say(sink, "H");
  CHECK(client.ReadUntil("\"content\":\"H\"").size() > 20);  // at once, without an end
  client.ReadUntil("\n\n\r\n");
  Say(sink, "ello", 1);
  sink->OnOutcome(Ended(5));
  bool done = false;
  const auto events = Events(client.ReadChunks(), &done);
  CHECK(done);
  REQUIRE(events.size() >= 2);
  CHECK(events.back().at("usage").at("completion_tokens").to_number<int>() == 5);
  CHECK(events.back().at("time_info").at("total_time").to_number<double>() == Approx(0.003));
  CHECK(events[events.size() - 2].at("choices").at(0).at("finish_reason").as_string() == "stop");
  CHECK(fixture.counted.first_tokens == 1);
  CHECK(fixture.counted.stream_tokens == 5);
  CHECK(fixture.ledger.Rows().at({"", "bytes"}).generated_tokens == 5);
}

TEST_CASE("an event for each token, with usage so far, where it is asked for") {
  Fixture fixture;
  RawClient client(fixture.port);
  client.Send(Post("/v1/completions",
                   kText + R"(,"stream":true,"stream_options":{"continuous_usage_stats":true},
                              "waferline":{"token_events":true},"made_up":1})"));
  TokenSink* sink = fixture.door.sink(0);
  sink->OnAdmitted();
  CHECK(client.ReadUntil("\r\n\r\n")
            .find("x-waferline-warnings: fields without effect: made_up\r\n") != std::string::npos);
  Say(sink, "abcdefgh");  // faster than they are written
  sink->OnOutcome(Ended(8));
  const auto events = Events(client.ReadChunks());
  REQUIRE(events.size() == 9);
  for (size_t i = 0; i < 8; ++i) {
    CHECK(events[i].at("choices").at(0).at("text").as_string() ==
          std::string(1, static_cast<char>('a' + i)));
    CHECK(events[i].at("usage").at("completion_tokens").to_number<size_t>() == i + 1);
  }
  CHECK(events[8].at("time_info").at("first_token_time").to_number<double>() == Approx(1e-6));
  CHECK(fixture.counted.events == 8);
}

TEST_CASE("a new grammar and a long text delay their own requests only") {
  Fixture fixture;
  std::promise<void> running, release;
  fixture.texts.Run([&](const absl::Status&) {
    running.set_value();
    release.get_future().wait();
  });
  running.get_future().wait();
  const std::string regex = R"(,"structured_outputs":{"regex":"a+"}})";
  RawClient grammar(fixture.port), text(fixture.port), gone(fixture.port), other(fixture.port);
  grammar.Send(Post("/v1/completions", kText + regex));
  const std::string prompt(serving::kMaxQuickBytes, 'a');
  text.Send(Post("/tokenize", R"({"model":"bytes","prompt":")" + prompt + "\"}"));
  gone.Send(Post("/v1/completions", kText + regex));
  other.Send(Get("/live"));
  CHECK(other.ReadResponse().code == 200);
  gone.Close();
  other.Send(Post("/v1/completions", kText + "}"));
  CHECK(fixture.door.request(0)->sampling.constraint == nullptr);
  fixture.door.sink(0)->OnAdmitted();
  fixture.door.sink(0)->OnOutcome(Ended(1));
  CHECK(other.ReadResponse().code == 200);
  CHECK(fixture.door.submitted() == 1);
  release.set_value();
  CHECK(text.ReadResponse().body.find("\"count\":" + std::to_string(prompt.size() + 1)) !=
        std::string::npos);
  CHECK(fixture.door.request(1)->sampling.constraint != nullptr);
  fixture.door.sink(1)->OnAdmitted();
  fixture.door.sink(1)->OnOutcome(Ended(1));
  CHECK(grammar.ReadResponse().code == 200);
  // It is known now, so the next one does not wait.
  other.Send(Post("/v1/completions", kText + regex));
  CHECK(fixture.door.request(2)->sampling.constraint ==
        fixture.door.request(1)->sampling.constraint);
}

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

TEST_CASE("a completion in one piece") {
  Fixture fixture;
  RawClient client(fixture.port);
  client.Send(Post("/v1/completions", kText + R"(,"n":2})"));
  for (const size_t i : {1, 0}) {  // in any order
    fixture.door.sink(i)->OnAdmitted();
    Say(fixture.door.sink(i), i == 0 ? "zero" : "one");
    fixture.door.sink(i)->OnOutcome(Ended(i == 0 ? 4 : 3, FinishReason::kLength));
  }
  const auto response = client.ReadResponse();
  CHECK(response.code == 200);
  const json::value body = json::parse(response.body);
  CHECK(body.at("choices").at(0).at("text").as_string() == "zero");
  CHECK(body.at("choices").at(1).at("text").as_string() == "one");
  CHECK(body.at("choices").at(1).at("finish_reason").as_string() == "length");
  CHECK(body.at("usage").at("completion_tokens").to_number<int>() == 7);
  CHECK(body.at("usage").at("prompt_tokens").to_number<int>() == 3);
}

TEST_CASE("a stop string ends the sequence at the engine") {
  Fixture fixture;
  RawClient client(fixture.port);
  client.Send(Post("/v1/completions", kText + R"(,"stop":"END"})"));
  TokenSink* sink = fixture.door.sink(0);
  sink->OnAdmitted();
  Say(sink, "fine EN");
  const TokenValue last{'D', 0, {}};
  CHECK(sink->OnToken({7, &last, Nanoseconds(1)}) == TokenSink::Verdict::kStop);
  sink->OnOutcome(Ended(8));
  CHECK(json::parse(client.ReadResponse().body).at("choices").at(0).at("text").as_string() ==
        "fine ");
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

TEST_CASE("a failure after the headers is an event, then [DONE]") {
  Fixture fixture;
  RawClient client(fixture.port);
  client.Send(Post("/v1/chat/completions", kChat + R"(,"stream":true})"));
  TokenSink* sink = fixture.door.sink(0);
  sink->OnAdmitted();
  Say(sink, "x");
  client.ReadUntil("\"content\":\"x\"");
  client.ReadUntil("\n\n\r\n");
  // What comes right before it is not lost with it.
  Say(sink, "y", 1);
  sink->OnOutcome(Ended(6, FinishReason::kFailed, absl::UnavailableError("a worker was lost")));
  bool done = false;
  const auto events = Events(client.ReadChunks(), &done);
  REQUIRE(events.size() == 2);
  CHECK(events[0].at("choices").at(0).at("delta").at("content").as_string() == "y");
  CHECK(events[1].at("error").at("message").as_string() == "a worker was lost");
  CHECK(done);
  // Without a stream it is the code.
  client.Send(Post("/v1/chat/completions", kChat + "}"));
  fixture.door.sink(1)->OnAdmitted();
  fixture.door.sink(1)->OnOutcome(Ended(6, FinishReason::kDeadline));
  CHECK(client.ReadResponse().code == 504);
}

TEST_CASE("a client that goes away cancels, at every stage, and what it used is settled") {
  Fixture fixture({.limits = {.tokens_minute = 1000}});
  const int stage = GENERATE(0, 1, 2);
  const bool stream = GENERATE(true, false);
  INFO("stage " << stage << " stream " << stream);
  {
    RawClient client(fixture.port);
    client.Send(Post("/v1/completions", kText + (stream ? R"(,"stream":true})" : "}")));
    TokenSink* sink = fixture.door.sink(0);
    if (stage > 0) sink->OnAdmitted();
    if (stage > 1) Say(sink, "abc");
    client.Close();
    REQUIRE(Eventually([&] { return fixture.door.cancelled(0); }));
    sink->OnOutcome(Ended(3, FinishReason::kCancelled));
  }
  REQUIRE(Eventually([&] { return fixture.ledger.Rows().size() == 1; }));
  // 3 of the prompt and 3 generated, instead of 53.
  CHECK(Eventually([&] {
    for (const auto& [name, value] :
         fixture.budgets.Describe("", fixture.clock.clock().monotonic())) {
      if (name == "x-ratelimit-remaining-tokens-minute") return value == "994";
    }
    return false;
  }));
}

TEST_CASE("a slow reader fills its buffer, pauses the engine and resumes it") {
  Fixture fixture;
  RawClient client(fixture.port, 4096);
  client.Send(
      Post("/v1/completions", R"({"model":"bytes","prompt":"a","max_tokens":990,"stream":true})"));
  TokenSink* sink = fixture.door.sink(0);
  sink->OnAdmitted();
  // Far more than a request may have, so that the sockets' own buffers fill up.
  const TokenValue value{'x', 0, {}};
  uint32_t sent = 0;
  size_t resumes = 0;
  TokenSink::Verdict verdict = TokenSink::Verdict::kContinue;
  while (sent < 20'000'000) {
    verdict = sink->OnToken({sent++, &value, Nanoseconds(sent)});
    if (verdict != TokenSink::Verdict::kFull) continue;
    // Wait for room; when none comes, the reader has stopped everything.
    bool resumed = false;
    for (int i = 0; i < 300 && !resumed; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      resumed = fixture.door.resumes() > resumes;
    }
    if (!resumed) break;
    resumes = fixture.door.resumes();
  }
  REQUIRE(verdict == TokenSink::Verdict::kFull);
  CHECK(sent >= kBufferedTokens);
  client.ReadUntil("\r\n\r\n");
  // Reading makes room.
  std::thread ending([&] {
    Eventually([&] { return fixture.door.resumes() > resumes; });
    sink->OnOutcome(Ended(sent, FinishReason::kLength));
  });
  const std::string stream = client.ReadChunks();
  ending.join();
  CHECK(fixture.door.resumes() > resumes);
  CHECK(static_cast<uint32_t>(std::count(stream.begin(), stream.end(), 'x')) >= sent);
  CHECK(static_cast<uint32_t>(fixture.counted.stream_tokens) == sent);
  CHECK(fixture.counted.events < fixture.counted.stream_tokens);  // tokens shared chunks
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

TEST_CASE("keys: who may ask, for what") {
  Fixture fixture({.keys = {{.key = "k1", .tenant = "t1", .models = {"bytes"}},
                            {.key = "k2", .tenant = "t2", .admin = true}}});
  RawClient client(fixture.port);
  const auto ask = [&](const std::string& request) {
    client.Send(request);
    return client.ReadResponse();
  };
  const std::string k1 = "authorization: Bearer k1\r\n", k2 = "authorization: Bearer k2\r\n";
  CHECK(ask(Get("/v1/models")).code == 401);
  CHECK(ask(Get("/v1/models", "authorization: Bearer no\r\n")).code == 401);
  CHECK(ask(Get("/v1/models", k1)).code == 200);
  CHECK(ask(Get("/health")).code == 200);
  CHECK(ask(Get("/metrics")).code == 200);
  CHECK(ask(Get("/v1/tcp_warming")).code == 200);
  CHECK(ask(Post("/v1/completions", R"({"model":"mute","prompt":"a"})", k1)).code == 403);
  CHECK(ask(Post("/admin/drain", "", k1)).code == 403);
  CHECK(ask(Get("/admin/load", k1)).code == 403);
  CHECK(fixture.admin.orders() == 0);
  CHECK(ask(Post("/admin/drain", "", k2)).body == R"({"status":"draining","in_flight":7})");
  CHECK(fixture.admin.orders() == 1);
  client.Send(Post("/v1/completions", kText + "}", k1));
  CHECK(fixture.door.request(0)->tenant == "t1");
  fixture.door.sink(0)->OnRefused({absl::UnavailableError("x"), Seconds(1)});
  client.ReadResponse();
}

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

TEST_CASE("a port answers what is in its scope, by the names that it has") {
  const auto code = [](Fixture& fixture, const std::string& path, const std::string& host) {
    RawClient client(fixture.port);
    client.Send("GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\n\r\n");
    return client.ReadResponse().code;
  };
  Fixture clients({.access = {Access::Scope::kClients, {"api.example.org"}}});
  CHECK(code(clients, "/v1/models", "api.example.org") == 200);
  CHECK(code(clients, "/v1/models", "API.example.org:8080") == 200);
  CHECK(code(clients, "/v1/models", "localhost:8080") == 200);
  CHECK(code(clients, "/v1/models", "evil.example.org") == 421);
  CHECK(code(clients, "/v1/models", "api.example.org.evil.com") == 421);
  CHECK(code(clients, "/ready", "evil.example.org") == 421);
  CHECK(code(clients, "/admin/server", "localhost") == 404);
  Fixture operators({.access = {Access::Scope::kOperators, {}}});
  CHECK(code(operators, "/admin/server", "localhost") == 200);
  CHECK(code(operators, "/ready", "localhost") == 200);
  CHECK(code(operators, "/v1/models", "localhost") == 404);
}

TEST_CASE("operators ask, give orders and learn what is wrong with them") {
  Fixture fixture;
  RawClient client(fixture.port);
  const auto ask = [&](const std::string& request) {
    client.Send(request);
    return client.ReadResponse();
  };
  CHECK(ask(Get("/admin/server")).body ==
        R"({"version":"1.2.3","clock":"real","speed":1.0,"models":["bytes"]})");
  const json::value load = json::parse(ask(Get("/admin/load")).body);
  CHECK(load.at("state").as_string() == "ready");
  CHECK(load.at("models").at(0).at("units").at(1).at("name").as_string() == "wafers-1");
  CHECK(load.at("models").at(0).at("units").at(1).at("alive").as_bool());
  CHECK(ask(Post("/admin/reset_prefix_cache", "")).body == R"({"status":"reset"})");
  CHECK(ask(Post("/admin/abort", R"({"request_id":"victim"})")).body == R"({"aborted":2})");
  CHECK(ask(Post("/admin/abort", R"({"request_id":"unknown"})")).body == R"({"aborted":0})");
  CHECK(ask(Get("/admin/drain")).code == 405);

  CHECK(
      ask(Post("/admin/faults", R"({"fault":"unit_slow","model":"bytes","index":1,"factor":2.5})"))
          .body == R"({"status":"applied"})");
  const admin::FaultOrder order = fixture.admin.last_fault();
  CHECK(order.fault.kind == "unit_slow");
  CHECK(order.model == "bytes");
  CHECK(order.fault.index == 1);
  CHECK(order.fault.factor == 2.5);

  CHECK(ask(Post("/admin/faults", R"({"fault":"stage_slow","model":"bytes","stage":3,"factor":2})"))
            .code == 200);
  CHECK(fixture.admin.last_fault().fault.kind == "stage_slow");
  CHECK(fixture.admin.last_fault().fault.stage == 3);

  CHECK(ask(Post("/admin/faults", R"({"fault":"power_cap","model":"bytes","watts":12000})")).code ==
        200);
  CHECK(fixture.admin.last_fault().fault.kind == "power_cap");
  CHECK(fixture.admin.last_fault().fault.watts == 12000);

  const auto [path, body, param] = GENERATE(table<std::string, std::string, std::string>({
      {"abort", R"({})", "request_id"},
      {"abort", R"({"request_id":7})", "request_id"},
      {"abort", R"({"request_id":"a","id":"b"})", "id"},
      {"faults", R"({"model":"bytes"})", "fault"},
      {"faults", R"({"fault":"meteor","model":"bytes"})", "fault"},
      {"faults", R"({"fault":"unit_lost"})", "model"},
      {"faults", R"({"fault":"unit_lost","model":"none"})", "model"},
      {"faults", R"({"fault":"unit_lost","model":"bytes","index":-1})", "index"},
      {"faults", R"({"fault":"unit_lost","model":"bytes","index":9})", "index"},
      {"faults", R"({"fault":"unit_lost","model":"bytes","factor":2})", "factor"},
      {"faults", R"({"fault":"unit_slow","model":"bytes"})", "factor"},
      {"faults", R"({"fault":"link_speed","model":"bytes","factor":"half"})", "factor"},
      {"faults", R"({"fault":"stage_slow","model":"bytes","factor":2})", "stage"},
      {"faults", R"({"fault":"unit_slow","model":"bytes","factor":2,"stage":1})", "stage"},
      {"faults", R"({"fault":"unit_lost","model":"bytes","unit":1})", "unit"},
      {"faults", R"({"fault":"core"})", "model"},
      {"faults", R"({"fault":"core","model":"bytes","place":-1})", "place"},
      {"faults", R"({"fault":"thermal","model":"bytes","clock_share":2})", "clock_share"},
      {"faults", R"({"fault":"wafer","model":"bytes","factor":2})", "factor"},
  }));
  INFO(path << " " << body);
  const auto refused = ask(Post("/admin/" + path, body));
  CHECK(refused.code == 400);
  CHECK(json::parse(refused.body).at("error").at("param").as_string() == param);
  fixture.admin.StopAnswering();
  CHECK(ask(Post("/admin/drain", "")).code == 503);
}

TEST_CASE("pages of this machine may read and post, others may not") {
  Fixture fixture;
  RawClient client(fixture.port);
  const auto ask = [&](const std::string& request) {
    client.Send(request);
    return client.ReadResponse();
  };
  const auto own = ask(Get("/v1/models", "origin: http://localhost:3000\r\n"));
  CHECK(own.Has("access-control-allow-origin: http://localhost:3000"));
  const auto foreign = ask(Get("/v1/models", "origin: http://evil.example\r\n"));
  CHECK(!foreign.Has("access-control-allow-origin"));
  CHECK(ask(Post("/admin/drain", "", "origin: http://evil.example\r\n")).code == 403);
  CHECK(fixture.admin.orders() == 0);
  const auto preflight =
      ask("OPTIONS /v1/chat/completions HTTP/1.1\r\nhost: x\r\norigin: http://127.0.0.1:8\r\n"
          "access-control-request-headers: x-stainless-os\r\n\r\n");
  CHECK(preflight.code == 204);
  CHECK(preflight.Has("access-control-allow-headers: x-stainless-os"));
  CHECK(IsLoopbackOrigin("https://[::1]"));
  CHECK(!IsLoopbackOrigin("http://localhost.evil.example"));
  CHECK(!IsLoopbackOrigin("http://localhost:80.evil.example"));
  CHECK(!IsLoopbackOrigin("null"));
}

TEST_CASE("only this machine itself operates a server without keys") {
  Fixture fixture;
  RawClient client(fixture.port);
  const auto drain = [&](const std::string& host, const std::string& more = "") {
    client.Send("POST /admin/drain HTTP/1.1\r\nhost: " + host + "\r\n" + more +
                "content-length: 0\r\n\r\n");
    return client.ReadResponse().code;
  };
  for (const char* own : {"localhost", "LOCALHOST:8080", "127.0.0.1:1", "127.9.9.9", "[::1]:80"}) {
    INFO(own);
    CHECK(drain(own) == 200);
  }
  // A page whose name points at loopback, and a proxy that says for whom it asks.
  for (const char* rebound : {"evil.example:8080", "localhost.evil.example", "127.0.0.1.nip.io",
                              "0.0.0.0", "[::]", "10.0.0.1", ""}) {
    INFO(rebound);
    CHECK(drain(rebound) == 403);
  }
  CHECK(drain("evil.example", "origin: http://evil.example\r\n") == 403);
  for (const char* forwarded : {"x-forwarded-for: 1.2.3.4", "X-Forwarded-For: 127.0.0.1",
                                "forwarded: for=1.2.3.4", "x-real-ip: 1.2.3.4", "via: 1.1 p"}) {
    INFO(forwarded);
    CHECK(drain("localhost", std::string(forwarded) + "\r\n") == 403);
  }
  CHECK(fixture.admin.orders() == 5);
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

TEST_CASE("64 streams at once, a third of them hung up on: nothing is left over") {
  Fixture fixture;
  const uint64_t seed = 31;
  INFO("seed " << seed);
  SeededStream random(seed);
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 64; ++i) {
    clients.push_back(std::make_unique<RawClient>(fixture.port));
    clients.back()->Send(Post("/v1/chat/completions", kChat + R"(,"stream":true})",
                              "x-request-id: " + std::to_string(i) + "\r\n"));
  }
  REQUIRE(fixture.door.request(63) != nullptr);
  std::vector<bool> leaves(64);
  for (size_t i = 0; i < 64; ++i) {
    const auto who = static_cast<size_t>(std::stoul(fixture.door.request(i)->request_id));
    leaves[who] = random.Uniform() < 1.0 / 3;
    fixture.door.sink(i)->OnAdmitted();
    Say(fixture.door.sink(i), "text of " + std::to_string(who));
    if (leaves[who]) clients[who]->Close();
  }
  for (size_t i = 0; i < 64; ++i) {
    const auto who = static_cast<size_t>(std::stoul(fixture.door.request(i)->request_id));
    if (leaves[who]) REQUIRE(Eventually([&] { return fixture.door.cancelled(i); }));
    fixture.door.sink(i)->OnOutcome(
        Ended(9, leaves[who] ? FinishReason::kCancelled : FinishReason::kStop));
  }
  for (size_t who = 0; who < 64; ++who) {
    if (leaves[who]) continue;
    clients[who]->ReadUntil("\r\n\r\n");
    const std::string stream = clients[who]->ReadChunks();
    std::string text;
    for (const auto& event : Events(stream)) {
      const auto& delta = event.at("choices").at(0).at("delta").as_object();
      if (delta.contains("content")) text += std::string(delta.at("content").as_string());
    }
    CHECK(text == "text of " + std::to_string(who));
  }
  std::atomic<size_t> live = 1;
  CHECK(Eventually([&] {
    fixture.server->Post([&] { live = fixture.generations->live(); });
    return live == 0;
  }));
  clients.clear();
  CHECK(Eventually([&] { return fixture.server->connections() == 0; }));
}

}  // namespace waferline::http
