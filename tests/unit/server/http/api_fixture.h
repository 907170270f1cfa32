// A server over real sockets whose engine the test plays by hand, and what its clients write and
// read.
#pragma once

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <catch2/catch.hpp>
#include <future>

#include "server/http/api.h"
#include "server/http/origin.h"
#include "server/http/reply_sink.h"
#include "tests/unit/server/http/puppet_admin.h"
#include "tests/unit/server/http/puppet_door.h"
#include "tests/unit/server/http/raw_client.h"
#include "tests/unit/server/http/steered_clock.h"
#include "tests/unit/server/openai/byte_model.h"

namespace waferline::http {

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
                   .metrics = [](auto, auto reply) { reply("waferline_up 1\n"); }},
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

inline std::string Post(const std::string& path, const std::string& body,
                        const std::string& more = "") {
  return "POST " + path + " HTTP/1.1\r\nhost: localhost\r\n" + more +
         "content-length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}
inline std::string Get(const std::string& path, const std::string& more = "") {
  return "GET " + path + " HTTP/1.1\r\nhost: 127.0.0.1:1\r\n" + more + "\r\n";
}

const std::string kChat =
    R"({"model":"bytes","messages":[{"role":"user","content":"hi"}],"max_tokens":50,"seed":1)";
const std::string kText = R"({"model":"bytes","prompt":"ab","max_tokens":50)";

inline void Say(TokenSink* sink, const std::string& text, uint32_t first_index = 0) {
  for (size_t i = 0; i < text.size(); ++i) {
    const TokenValue value{static_cast<unsigned char>(text[i]), -1.0f, {}};
    sink->OnToken({first_index + static_cast<uint32_t>(i), &value,
                   Microseconds(static_cast<int64_t>(i) + 1)});
  }
}
inline Outcome Ended(uint32_t generated, FinishReason reason = FinishReason::kStop,
                     absl::Status status = absl::OkStatus()) {
  return {reason, std::move(status), 3,
          0,      generated,         {.prefill = Milliseconds(1), .decode = Milliseconds(2)}};
}

inline std::vector<json::value> Events(const std::string& stream, bool* done = nullptr) {
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

}  // namespace waferline::http
