// A server without its API, whose exchanges the test answers, on a clock that the test moves.
#pragma once

#include <atomic>
#include <catch2/catch.hpp>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "server/http/http_server.h"
#include "tests/unit/server/http/raw_client.h"
#include "tests/unit/server/http/steered_clock.h"

namespace waferline::http {

// Echoes "METHOD path body"; /hold keeps the exchange for the test.
class ServerFixture {
 public:
  explicit ServerFixture(ServerOptions options = {}) {
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
  ~ServerFixture() { server->Stop(); }

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

inline std::string Post(const std::string& path, const std::string& body) {
  return "POST " + path + " HTTP/1.1\r\nhost: x\r\ncontent-length: " + std::to_string(body.size()) +
         "\r\n\r\n" + body;
}

}  // namespace waferline::http
