// fuzzes: wafer_backend/compute/plane tests/support
// A server's side of its links to shards and a prefill worker, which answer well, or not at all,
// twice, with altered bytes, too late, or hang up, as the input says. No step is waited for without
// end; once the workers are started again and behave every job ends and a new one is computed,
// unless they lied about what they are from the start.
#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tests/fuzz/entry.h"
#include "tests/fuzz/frame_recipe.h"
#include "tests/fuzz/fuzz_model.h"
#include "tests/fuzz/scripted_network.h"
#include "wafer_backend/compute/link/frames.h"
#include "wafer_backend/compute/plane/remote_backend.h"
#include "wafer_backend/compute/shard/peer_model.h"

namespace waferline::fuzz {
namespace {

constexpr int kShards = 2;
constexpr uint32_t kSlots = 8;
constexpr uint64_t kFirstJobs = 4;
constexpr int kMaxTurns = 4000;  // one takes 50 ms at most
constexpr int kSteps = 3;        // of each job
constexpr int kMaxAgain = 3;     // a lost job is computed again

class Workers {
 public:
  Workers(Input* input, ScriptedMachine* machine) : input_(*input), machine_(*machine) {}

  // From now on the input decides about answers.
  void Misbehave() { well_ = false; }
  // They are started again: what one left unanswered is no longer waited for.
  void Behave() {
    well_ = true;
    for (const StreamPtr& stream : machine_.streams) stream->ended = true;
  }

  void Answer() {
    for (size_t i = 0; i < machine_.streams.size(); ++i) {
      Stream& stream = *machine_.streams[i];
      if (!stream.open || stream.ended) continue;
      TakeFrames(&stream.out, [&](std::span<const uint8_t> frame) { Answer(&stream, frame); });
    }
  }

 private:
  static void Put(Stream* stream, const std::vector<uint8_t>& bytes) {
    stream->in.insert(stream->in.end(), bytes.begin(), bytes.end());
  }

  template <typename Frame>
  void Send(Stream* stream, const Frame& frame) {
    std::vector<uint8_t> bytes = Encoded(frame);
    const uint8_t how = well_ ? 0 : input_.Byte();
    if (how < 160) return Put(stream, bytes);
    if (how < 176) return;  // no answer
    if (how < 192) {
      Put(stream, bytes);
    } else if (how < 224) {
      Alter(&input_, &bytes);
    } else if (how < 232) {
      Put(stream, RawFrame(&input_));
    } else if (how < 240) {
      stream->ended = true;
    } else if (how < 248) {
      stream->piece = 16 + input_.Below(64);
    } else {
      machine_.Pass(Milliseconds(25 * input_.Number()));
    }
    Put(stream, bytes);
  }

  void Answer(Stream* stream, std::span<const uint8_t> frame) {
    const auto kind = link::KindOf(frame);
    WL_CHECK(kind.ok());
    if (*kind == link::FrameKind::kHeartbeat) {
      Put(stream, link::HeartbeatBytes());
    } else if (*kind == link::FrameKind::kHello) {
      Send(stream, Hello(stream->called));
    } else if (stream->called == "prefill:1") {
      AnswerAsPrefill(stream, *kind, frame);
    } else {
      AnswerAsShard(stream, *kind, frame);
    }
  }

  static link::HelloFrame Hello(const std::string& endpoint) {
    const int64_t first = endpoint == "shard-1:1" ? 1 : 0;
    const bool prefill = endpoint == "prefill:1";
    link::HelloFrame hello =
        shard::HelloFor(prefill ? link::Role::kPrefill : link::Role::kShard, *Model(),
                        {first, prefill ? kLayers : first + 1}, kPageTokens);
    if (!prefill) {
      hello.slots = kSlots;
      hello.max_rows = 16;
    }
    hello.credentials = {.worker = endpoint, .incarnation = 1};
    return hello;
  }

  void AnswerAsShard(Stream* stream, link::FrameKind kind, std::span<const uint8_t> frame) {
    using To = link::AnswerFrame::To;
    if (kind == link::FrameKind::kJoin) {
      Send(stream, link::AnswerFrame{To::kJoin, 0, 0, ""});
    } else if (kind == link::FrameKind::kAskMemory) {
      link::MemoryFrame memory;
      memory.capacity = 1 << 30;
      memory.kv_per_page = 4096;
      Send(stream, memory);
    } else if (link::OpenFrame open; link::Decode(frame, &open).ok()) {
      Send(stream, link::AnswerFrame{To::kOpen, open.job, 0, ""});
    } else if (link::TokenFrame tokens; link::Decode(frame, &tokens).ok()) {
      const auto vocabulary = static_cast<uint32_t>(Model()->shape().vocabulary);
      link::LogitsFrame logits{tokens.step, vocabulary, {}};
      logits.logits.resize(tokens.rows.size() * vocabulary);
      if (Stream* const last = StreamOf("shard-1:1")) Send(last, logits);
    }
  }

  void AnswerAsPrefill(Stream* stream, link::FrameKind, std::span<const uint8_t> frame) {
    if (link::ShardsFrame shards; link::Decode(frame, &shards).ok()) {
      Send(stream, link::AnswerFrame{link::AnswerFrame::To::kShards, shards.generation, 0, ""});
    } else if (link::HandOffFrame move; link::Decode(frame, &move).ok()) {
      Send(stream, link::HandedOffFrame{move.job, 0, ""});
    } else if (link::PrefillFrame job; link::Decode(frame, &job).ok()) {
      if (job.wants_prompt_logprobs) {
        link::PromptLogprobsFrame values{.job = job.job, .first_index = 1, .values = {}};
        values.values.resize(job.prompt_tokens - 1);
        Send(stream, values);
      }
      link::PrefilledFrame result;
      result.job = job.job;
      result.logits.resize(static_cast<size_t>(Model()->shape().vocabulary));
      Send(stream, result);
    }
  }

  Stream* StreamOf(const std::string& endpoint) {
    for (auto at = machine_.streams.rbegin(); at != machine_.streams.rend(); ++at) {
      if ((*at)->called == endpoint && (*at)->open && !(*at)->ended) return at->get();
    }
    return nullptr;
  }

  Input& input_;
  ScriptedMachine& machine_;
  bool well_ = true;
};

// What a driver does with jobs, without sampling.
class Jobs {
 public:
  explicit Jobs(plane::RemoteBackend* backend) : backend_(*backend) {}

  void Add() { Begin({.slot = static_cast<uint32_t>(jobs_.size())}); }
  bool over() const { return jobs_.empty(); }
  int complete() const { return complete_; }

  void Turn() {
    const bool moved = backend_.Turn(false, &events_);
    for (const auto& lost : events_.lost) OnLost(lost.job);
    for (const auto& result : events_.prefilled) {
      const auto found = jobs_.find(result.id);
      if (found == jobs_.end()) continue;
      if (!result.status.ok()) {
        jobs_.erase(found);
      } else if (!std::exchange(found->second.moving, true)) {
        backend_.HandOff(result.id, found->second.slot, 3 + kSteps);
      }
    }
    for (const auto& ended : events_.handed_off) {
      const auto found = jobs_.find(ended.job);
      if (found == jobs_.end()) continue;
      found->second.resident = ended.status.ok();
      if (!ended.status.ok()) End(found);
    }
    events_ = {};
    if (!Step() && !moved) backend_.Wait();
  }

 private:
  struct Job {
    uint32_t slot = 0;
    int again = 0;
    bool moving = false;
    bool resident = false;
    int steps = 0;
  };
  using Found = std::map<uint64_t, Job>::iterator;

  void Begin(const Job& job) {
    const uint64_t id = next_++;
    jobs_[id] = job;
    prefill::PrefillJob prompt;
    prompt.id = id;
    prompt.tokens = {1, 2, 3};
    prompt.prompt_tokens = 3;
    prompt.prompt_logprobs = id % 2 == 0;
    backend_.Prefill(std::move(prompt));
  }
  void End(Found job) {
    if (job->second.moving) backend_.Close(job->second.slot);
    jobs_.erase(job);
  }
  void OnLost(uint64_t id) {
    const auto found = jobs_.find(id);
    if (found == jobs_.end()) return;
    const Job job{.slot = found->second.slot, .again = found->second.again + 1};
    if (!found->second.resident) backend_.Forget(id);
    End(found);
    if (job.again <= kMaxAgain) Begin(job);
  }
  bool Step() {
    link::TokenFrame tokens{.step = ++step_, .rows = {}, .tokens = {}};
    for (const auto& [id, job] : jobs_) {
      if (!job.resident) continue;
      tokens.rows.push_back({job.slot, static_cast<uint32_t>(3 + job.steps)});
      tokens.tokens.push_back(1);
    }
    if (tokens.rows.empty()) return false;
    link::LogitsFrame logits;
    const absl::Status status = backend_.Step(tokens, &logits);
    if (absl::IsUnavailable(status)) return true;  // the next turn says what is lost
    if (status.ok()) {
      WL_CHECK(logits.logits.size() == tokens.rows.size() * logits.vocabulary);
    }
    for (auto at = jobs_.begin(); at != jobs_.end();) {
      const auto job = at++;
      if (!job->second.resident) continue;
      if (status.ok() && ++job->second.steps < kSteps) continue;
      complete_ += status.ok() ? 1 : 0;
      End(job);
    }
    return true;
  }

  plane::RemoteBackend& backend_;
  std::map<uint64_t, Job> jobs_;
  plane::BackendEvents events_;
  uint64_t next_ = 1;
  uint64_t step_ = 0;
  int complete_ = 0;
};

}  // namespace

void Run(Input input) {
  ScriptedMachine machine;
  Workers workers(&input, &machine);
  machine.on_idle = [&] { workers.Answer(); };
  const bool honest_start = input.Byte() % 4 > 0;
  if (!honest_start) workers.Misbehave();
  plane::RemoteOptions options;
  for (int i = 0; i < kShards; ++i) options.shards.push_back("shard-" + std::to_string(i) + ":1");
  options.prefill = {"prefill:1"};
  options.fingerprint = Model()->fingerprint();
  options.sequences = 4;
  options.between_attempts = Milliseconds(20);
  options.max_outage = options.outage_patience = Seconds(1);
  options.step_patience = Seconds(2);
  options.liveness = {Milliseconds(200), Milliseconds(600)};
  options.credentials.incarnation = 7;
  const auto backend = plane::RemoteBackend::Create(options);
  if (!backend.ok()) {
    WL_CHECK(!honest_start && !backend.status().message().empty());
    return;
  }
  workers.Misbehave();
  Jobs jobs(backend->get());
  for (uint64_t i = 0; i < kFirstJobs; ++i) jobs.Add();
  int turns = 0;
  for (; !input.empty() && turns < kMaxTurns; ++turns) {
    if (jobs.over()) jobs.Add();
    jobs.Turn();
  }
  workers.Behave();
  for (turns = 0; !jobs.over(); ++turns) {
    WL_CHECK(turns < kMaxTurns);
    jobs.Turn();
  }
  const int before = jobs.complete();
  // Connections are made again meanwhile; a job that comes too early fails.
  for (turns = 0; honest_start && jobs.complete() == before; ++turns) {
    WL_CHECK(turns < kMaxTurns);
    if (jobs.over()) jobs.Add();
    jobs.Turn();
  }
}

}  // namespace waferline::fuzz
