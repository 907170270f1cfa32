// A worker that lies, or goes silent in any state of the protocol: a Status in bounded time, and
// the same tokens once it behaves again.
#include <catch2/catch.hpp>
#include <limits>

#include "tests/unit/wafer_backend/compute/plane/remote_workers.h"
#include "wafer_backend/compute/link/reactor.h"
#include "wafer_backend/compute/link/typed_link.h"
#include "wafer_backend/compute/plane/worker_checks.h"

namespace waferline::plane {
namespace {

using link::KvReceivedFrame;

enum class State : uint8_t { kNone, kGreeting, kJoin, kMemory, kOpen, kHandOff, kStep };

// What a shard does wrong; each entry is optional.
struct Wrong {
  State silent_from = State::kNone;
  bool steps_unanswered = false;  // though it lives
  std::function<void(link::HelloFrame&)> hello;
  std::function<void(link::MemoryFrame&)> memory;
  std::function<void(link::LogitsFrame&)> logits;
};

// A shard with all layers of the random model that keeps no KV: its logits always prefer token 1.
class FakeShard {
 public:
  FakeShard(uint64_t fingerprint, Wrong wrong) : wrong_(std::move(wrong)) {
    hello_.role = link::Role::kShard;
    hello_.model_fingerprint = fingerprint;
    hello_.end_layer = hello_.layer_count = 4;
    hello_.width = 64;
    hello_.vocabulary = 256;
    hello_.page_tokens = kPage;
    hello_.context = 512;
    hello_.slots = 8;
    hello_.max_rows = 64;
    if (wrong_.hello) wrong_.hello(hello_);
    std::promise<uint16_t> port;
    auto listening = port.get_future();
    thread_ = std::thread([this, &port] { Run(&port); });
    endpoint_ = "127.0.0.1:" + std::to_string(listening.get());
  }
  ~FakeShard() {
    stop_ = true;
    thread_.join();
  }
  const std::string& endpoint() const { return endpoint_; }

 private:
  struct Peer {
    std::unique_ptr<link::Connection> connection;
    link::GreetingInlet greeting;
    link::ShardFromDriver driver;
    link::KvInlet kv;
    std::optional<link::Role> role;
  };

  void Run(std::promise<uint16_t>* port) {
    link::Reactor reactor(kFastBeats);
    auto listener = link::Listener::Open(&reactor, "127.0.0.1:0", [this](auto taken) {
      Peer* const peer = peers_.emplace_back(std::make_unique<Peer>()).get();
      peer->connection = std::move(taken);
      peer->connection->Start(
          [this, peer](std::span<const uint8_t> bytes) { return Accept(peer, bytes); },
          [peer](const absl::Status&) { peer->connection.reset(); });
    });
    port->set_value((*listener)->port());
    while (!stop_) {
      if (silent_) {  // as if it were stopped: nothing is read, no heartbeat leaves
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
      } else {
        reactor.Turn(Milliseconds(5));
      }
    }
    peers_.clear();
  }

  absl::Status Accept(Peer* peer, std::span<const uint8_t> bytes) {
    if (!peer->role) {
      return peer->greeting.Accept(bytes, [&](const link::HelloFrame& hello) {
        peer->role = hello.role;
        if (Silences(State::kGreeting)) return absl::OkStatus();
        return link::GreetingOutlet(peer->connection.get()).Send(hello_);
      });
    }
    if (peer->role == link::Role::kPrefill) {
      return peer->kv.Accept(bytes, [&](const link::KvFrame& frame) {
        if (!frame.last || Silences(State::kHandOff)) return absl::OkStatus();
        return link::KvReceiptOutlet(peer->connection.get())
            .Send(KvReceivedFrame{frame.job, 0, ""});
      });
    }
    return peer->driver.Accept(bytes, [&](const auto& frame) { return Handle(peer, frame); });
  }

  absl::Status Answer(Peer* peer, link::AnswerFrame::To to, uint64_t subject) {
    return link::ShardToDriver(peer->connection.get()).Send(link::AnswerFrame{to, subject, 0, ""});
  }
  absl::Status Handle(Peer* peer, const link::JoinFrame&) {
    if (Silences(State::kJoin)) return absl::OkStatus();
    return Answer(peer, link::AnswerFrame::To::kJoin, 0);
  }
  absl::Status Handle(Peer* peer, const link::AssignFrame&) {
    return Answer(peer, link::AnswerFrame::To::kAssign, 0);
  }
  absl::Status Handle(Peer* peer, const link::AskMemoryFrame&) {
    if (Silences(State::kMemory)) return absl::OkStatus();
    link::MemoryFrame memory{.capacity = 1 << 30, .kv_per_page = 4096};
    if (wrong_.memory) wrong_.memory(memory);
    return link::ShardToDriver(peer->connection.get()).Send(memory);
  }
  absl::Status Handle(Peer* peer, const link::OpenFrame& open) {
    if (Silences(State::kOpen)) return absl::OkStatus();
    return Answer(peer, link::AnswerFrame::To::kOpen, open.job);
  }
  absl::Status Handle(Peer*, const link::CloseFrame&) { return absl::OkStatus(); }
  absl::Status Handle(Peer* peer, const link::TokenFrame& tokens) {
    if (Silences(State::kStep) || wrong_.steps_unanswered) return absl::OkStatus();
    link::LogitsFrame logits{tokens.step, 256, std::vector<float>(tokens.rows.size() * 256)};
    for (size_t row = 0; row < tokens.rows.size(); ++row) logits.logits[row * 256 + 1] = 1;
    if (wrong_.logits) wrong_.logits(logits);
    return link::ShardToDriver(peer->connection.get()).Send(logits);
  }

  // From that state on nothing is answered any more.
  bool Silences(State state) {
    silent_ = silent_ || wrong_.silent_from == state;
    return silent_;
  }

  const Wrong wrong_;
  link::HelloFrame hello_;
  std::string endpoint_;
  std::atomic<bool> stop_{false};
  std::atomic<bool> silent_{false};
  std::vector<std::unique_ptr<Peer>> peers_;
  std::thread thread_;
};

struct Stage {
  explicit Stage(Wrong wrong)
      : disk(ModelSpec()),
        shard(shard::FingerprintOf(*disk.file()), std::move(wrong)),
        prefill(StartPrefill(disk.path(), 32)) {
    options.threads = 1;
    options.remote = {.shards = {shard.endpoint()},
                      .prefill = {prefill->endpoint()},
                      .fingerprint = shard::FingerprintOf(*disk.file()),
                      .between_attempts = Milliseconds(20),
                      .max_outage = Seconds(2),
                      .outage_patience = Seconds(2),
                      .liveness = {kFastBeats.interval, Milliseconds(500)}};
  }
  ModelOnDisk disk;
  FakeShard shard;
  std::unique_ptr<Server> prefill;
  PlaneOptions options;
  TestWaker waker;
};

SequenceSpec Greedy() {
  SequenceSpec spec;
  spec.prompt = std::make_shared<const std::vector<TokenId>>(std::vector<TokenId>{3, 4, 5});
  spec.max_tokens = 6;
  return spec;
}

// How the sequence ends, and that it does within a few seconds.
absl::Status EndOf(Stage* stage) {
  auto plane = ComputePlane::Create(stage->options, &stage->waker);
  if (!plane.ok()) return plane.status();
  const SequenceId id{1};
  (*plane)->Prefill(id, Greedy());
  (*plane)->Activate(id);
  (*plane)->Want(id, 6);
  ValueSource::State state = ValueSource::State::kPending;
  const auto begin = std::chrono::steady_clock::now();
  REQUIRE(stage->waker.WaitUntil([&] {
    const TokenValue* value = nullptr;
    state = (*plane)->Look(id, 5, &value);
    return state != ValueSource::State::kPending;
  }));
  REQUIRE(std::chrono::steady_clock::now() - begin < std::chrono::seconds(20));
  const absl::Status status =
      state == ValueSource::State::kReady ? absl::OkStatus() : (*plane)->Failure(id);
  (*plane)->End(id);
  return status;
}

TEST_CASE("the fake shard is a good one as long as nothing is wrong with it") {
  Stage stage({});
  REQUIRE(EndOf(&stage) == absl::OkStatus());
}

TEST_CASE("a shard that lies about its sizes is refused by name") {
  const auto refused = [](Wrong wrong, const std::string& part) {
    Stage stage(std::move(wrong));
    const absl::Status status = EndOf(&stage);
    INFO(status);
    REQUIRE(status.ToString().find(part) != std::string::npos);
  };
  refused({.hello = [](auto& hello) { hello.vocabulary = 0; }}, "vocabulary is 0");
  refused({.hello = [](auto& hello) { hello.slots = 0xffffffff; }}, "slots is 4294967295");
  refused({.hello = [](auto& hello) { hello.max_rows = 0; }}, "max_rows is 0");
  refused({.hello = [](auto& hello) { hello.page_tokens = 17; }}, "multiple of 16");
  refused({.hello = [](auto& hello) { hello.context = 0; }}, "context is 0");
  refused({.hello = [](auto& hello) { hello.end_layer = 5; }}, "end_layer is 5");
  refused({.hello = [](auto& hello) { hello.model_fingerprint = 0; }}, "different model file");
  refused({.memory = [](auto& memory) { memory.kv_per_page = 0; }}, "kv_per_page is 0");
  refused({.memory = [](auto& memory) { memory.capacity = ~uint64_t{0}; }}, "capacity is");
  refused({.memory = [](auto& memory) { memory.expert_tokens.resize(5000); }},
          "expert_tokens is 5000");
}

TEST_CASE("logits that are none fail the sequence, not the process") {
  const auto failed = [](std::function<void(link::LogitsFrame&)> lie, const std::string& part) {
    Stage stage({.logits = std::move(lie)});
    const absl::Status status = EndOf(&stage);
    INFO(status);
    REQUIRE(absl::IsUnavailable(status));
    REQUIRE(status.ToString().find(part) != std::string::npos);
  };
  failed([](auto& frame) { frame.logits.pop_back(); }, "do not match its length");
  failed([](auto& frame) { frame.logits.clear(); }, "0 logits");
  failed([](auto& frame) { frame.logits.resize(512); }, "512 logits");
  failed([](auto& frame) { frame.vocabulary = 0; }, "do not match its length");
  failed([](auto& frame) { frame.vocabulary = 128; }, "logits of 128 tokens");
}

TEST_CASE("logits that are not finite are an error of the request, which names the model") {
  const float wrong =
      GENERATE(std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity());
  Stage stage({.logits = [wrong](auto& frame) { frame.logits[7] = wrong; }});
  stage.options.model = "far";
  const absl::Status status = EndOf(&stage);
  INFO(status);
  REQUIRE(absl::IsInternal(status));
  REQUIRE(status.ToString().find("model \"far\" computed for token 1 are not finite") !=
          std::string::npos);
}

TEST_CASE("a shard that goes silent, in whatever state, costs a bounded time") {
  const State state = GENERATE(State::kGreeting, State::kJoin, State::kMemory, State::kOpen,
                               State::kHandOff, State::kStep);
  INFO("state " << static_cast<int>(state));
  Stage stage({.silent_from = state});
  const absl::Status status = EndOf(&stage);
  INFO(status);
  REQUIRE((absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status)));
  REQUIRE(status.ToString().find("has sent nothing for") != std::string::npos);
}

TEST_CASE("a shard that lives and never answers a step costs a bounded time") {
  Stage stage({.steps_unanswered = true});
  stage.options.remote.step_patience = Milliseconds(300);
  const absl::Status status = EndOf(&stage);
  INFO(status);
  REQUIRE(absl::IsUnavailable(status));
  REQUIRE(status.ToString().find("the shards are alive but have not answered a step for 0.3 s") !=
          std::string::npos);
}

TEST_CASE("what a prefill worker sends has to have the asked sizes") {
  REQUIRE(CheckLogprob({.id = 1, .top_ids = {2, 3}, .top_logprobs = {0, 0}}, 4).ok());
  REQUIRE_FALSE(CheckLogprob({.id = 1, .top_ids = {2, 3}, .top_logprobs = {0}}, 4).ok());
  REQUIRE_FALSE(CheckLogprob({.id = 4}, 4).ok());
  REQUIRE_FALSE(CheckLogprob({.id = -1}, 4).ok());
  REQUIRE_FALSE(CheckLogprob({.id = 1, .top_ids = {9}, .top_logprobs = {0}}, 4).ok());
}

}  // namespace
}  // namespace waferline::plane
