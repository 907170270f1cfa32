// engine_digest SERVER.yaml TRACE BLOCK_TOKENS SEED: the trace through the engine and the compute
// plane of a server's configuration, with neither its runtime nor its front ends. Prints the
// schedule's digest and how many tokens were computed.
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <mutex>
#include <sstream>

#include "scheduler/engine/engine.h"
#include "scheduler/simulator/trace_reader.h"
#include "server/app/hosted_model.h"
#include "server/config/server_config.h"
#include "wafer_backend/base/check.h"

namespace waferline {
namespace {

class Notifier : public Waker {
 public:
  void Wake() override {
    const std::lock_guard lock(mutex_);
    notified_ = true;
    changed_.notify_one();
  }
  void Await() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return notified_; });
    notified_ = false;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool notified_ = false;
};

struct Client : EventTarget {
  void OnEvent(uint64_t index) override {
    const simulator::TraceRequest& from = trace->requests[index];
    ValidRequest request;
    request.model = model;
    request.cache_salt = trace->tenants[from.tenant];
    request.prompt =
        std::make_shared<const std::vector<TokenId>>(simulator::PromptOf(*trace, index));
    request.max_tokens = from.output_tokens;
    request.sampling.min_tokens = from.output_tokens;
    request.sampling.seed = simulator::SeedOf(seed, index);
    request.tier = from.tier;
    request.priority = from.priority;
    if (from.deadline > Nanoseconds()) request.deadline = from.deadline;
    engine->Submit(Ticket{index + 1}, std::move(request));
  }
  const simulator::Trace* trace = nullptr;
  engine::Engine* engine = nullptr;
  std::string model;
  uint64_t seed = 0;
};

int Run(char** words) {
  const auto config = config::LoadServerConfig(words[1]);
  WL_CHECK(config.ok());
  std::ostringstream text;
  text << std::ifstream(words[2]).rdbuf();
  const auto read = simulator::ParseTrace(
      text.str(), {.format = simulator::TraceFormat::kJsonl,
                   .block_tokens = static_cast<uint32_t>(std::atoi(words[3]))});
  WL_CHECK(read.ok());

  Notifier notifier;
  Timeline timeline;
  const auto hosted =
      app::LoadHostedModel(config->models.at(0), {.timeline = &timeline, .waker = &notifier});
  WL_CHECK(hosted.ok());
  auto engine = engine::Engine::Create({}, &timeline, {hosted->Lane()}, {});
  WL_CHECK(engine.ok());
  Client client;
  client.trace = &read->trace;
  client.engine = engine->get();
  client.model = hosted->served->name;
  client.seed = std::strtoull(words[4], nullptr, 10);
  for (uint64_t i = 0; i < read->trace.requests.size(); ++i) {
    timeline.Schedule(simulator::ArrivalOf(read->trace, i, 1), Priority::kArrival, &client, i);
  }
  while ((*engine)->RunUntil(Seconds(1'000'000)) != engine::Engine::Pause::kIdle) notifier.Await();
  const engine::EngineSnapshot end = (*engine)->Snapshot();
  std::printf("{\"digest\": \"%s\", \"tokens\": %lu}\n", engine::DigestText(end.digest).c_str(),
              static_cast<unsigned long>(end.tokens));
  engine->reset();
  return 0;
}

}  // namespace
}  // namespace waferline

int main(int argc, char** argv) {
  if (argc == 5) return waferline::Run(argv);
  std::fprintf(stderr, "usage: engine_digest SERVER.yaml TRACE BLOCK_TOKENS SEED\n");
  return 2;
}
