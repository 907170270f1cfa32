// Shards and prefill workers as servers on loopback, each on a thread of its own (deploy/ has them
// as processes).
#pragma once

#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/temporary_folder.h"
#include "tests/unit/wafer_backend/compute/plane/plane_client.h"
#include "wafer_backend/compute/link/reactor.h"
#include "wafer_backend/compute/link/typed_link.h"
#include "wafer_backend/compute/prefill/prefill_server.h"
#include "wafer_backend/compute/shard/shard_server.h"

namespace waferline::plane {

class ModelOnDisk {
 public:
  explicit ModelOnDisk(const test::RandomModelSpec& spec) {
    test::RandomModel(spec).WriteFile(path_);
    auto file = model::GgufFile::Open(path_);
    REQUIRE(file.ok());
    file_ = *file;
  }
  const std::string& path() const { return path_; }
  std::shared_ptr<const model::GgufFile> file() const { return file_; }

 private:
  const test::TemporaryFolder folder_;
  const std::string path_ = folder_.File("model.gguf");
  std::shared_ptr<const model::GgufFile> file_;
};

// A server on a thread; stopped and joined when it dies.
class Server {
 public:
  template <typename Options>
  Server(absl::Status (*run)(const Options&, const std::atomic<bool>&), Options options) {
    auto port = std::make_shared<std::promise<uint16_t>>();
    auto listening = port->get_future();
    if (getenv("WAFERLINE_REMARKS") != nullptr) {
      options.on_remark = [](const std::string& remark) {
        fprintf(stderr, "%s\n", remark.c_str());
      };
    }
    options.on_ready = [port](uint16_t chosen) { port->set_value(chosen); };
    thread_ = std::thread([this, run, options] { status_ = run(options, stop_); });
    REQUIRE(listening.wait_for(std::chrono::seconds(30)) == std::future_status::ready);
    port_ = listening.get();
  }
  ~Server() { Stop(); }
  void Stop() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
  }
  std::string endpoint() const { return "127.0.0.1:" + std::to_string(port_); }

 private:
  std::atomic<bool> stop_{false};
  absl::Status status_;
  uint16_t port_ = 0;
  std::thread thread_;
};

// Greets like a worker, and then answers nothing.
class SilentWorker {
 public:
  explicit SilentWorker(const link::HelloFrame& hello) {
    std::promise<uint16_t> port;
    auto listening = port.get_future();
    thread_ = std::thread([this, hello, &port] {
      link::Reactor reactor;
      std::vector<std::unique_ptr<link::Connection>> peers;
      auto listener = link::Listener::Open(&reactor, "127.0.0.1:0", [&](auto taken) {
        link::Connection* const peer = peers.emplace_back(std::move(taken)).get();
        peer->Start([](std::span<const uint8_t>) { return absl::OkStatus(); },
                    [](const absl::Status&) {});
        (void)link::GreetingOutlet(peer).Send(hello);
      });
      port.set_value((*listener)->port());
      while (!stop_) reactor.Turn(Milliseconds(5));
    });
    endpoint_ = "127.0.0.1:" + std::to_string(listening.get());
  }
  ~SilentWorker() {
    stop_ = true;
    thread_.join();
  }
  const std::string& endpoint() const { return endpoint_; }

 private:
  std::string endpoint_;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

// Tests need not wait for seconds.
inline constexpr link::Liveness kFastBeats{Milliseconds(50), Seconds(3)};

inline std::unique_ptr<Server> StartShard(const std::string& model, shard::LayerRange range,
                                          const std::string& listen = "127.0.0.1:0",
                                          uint32_t slots = 256) {
  shard::ShardServerOptions options;
  options.listen = listen;
  options.model_path = model;
  options.shard.range = range;
  options.shard.page_tokens = kPage;
  options.shard.slots = slots;
  options.liveness = kFastBeats;
  options.threads = 1;
  return std::make_unique<Server>(&shard::RunShardServer, options);
}

inline std::unique_ptr<Server> StartPrefill(const std::string& model, int64_t chunk_tokens,
                                            const std::string& listen = "127.0.0.1:0") {
  prefill::PrefillServerOptions options;
  options.listen = listen;
  options.model_path = model;
  options.prefill.page_tokens = kPage;
  options.prefill.chunk_tokens = chunk_tokens;
  options.liveness = kFastBeats;
  options.threads = 1;
  return std::make_unique<Server>(&prefill::RunPrefillServer, options);
}

struct Cloud {
  std::vector<std::unique_ptr<Server>> shards;
  std::unique_ptr<Server> prefill;
  PlaneOptions Options(std::shared_ptr<const model::GgufFile> file) const {
    PlaneOptions options;
    options.threads = 1;
    for (const auto& shard : shards) options.remote.shards.push_back(shard->endpoint());
    options.remote.prefill = {prefill->endpoint()};
    options.remote.fingerprint = shard::FingerprintOf(*file);
    options.remote.between_attempts = Milliseconds(20);
    options.remote.liveness = kFastBeats;
    return options;
  }
};

inline Cloud StartCloud(const std::string& model, int64_t layers, int64_t shards,
                        int64_t chunk_tokens) {
  Cloud cloud;
  for (const shard::LayerRange& range : shard::CutEvenly(layers, shards)) {
    cloud.shards.push_back(StartShard(model, range));
  }
  cloud.prefill = StartPrefill(model, chunk_tokens);
  return cloud;
}

inline test::RandomModelSpec ModelSpec() {
  test::RandomModelSpec spec;
  spec.layers = 4;
  spec.dtype = kernels::DType::kQ8_0;
  spec.seed = 60;
  return spec;
}

}  // namespace waferline::plane
