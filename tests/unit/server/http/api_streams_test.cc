// Answers as they come: events, slow readers, clients that go.
#include <catch2/catch.hpp>

#include "tests/unit/server/http/api_fixture.h"

namespace waferline::http {

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
