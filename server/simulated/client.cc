#include "server/simulated/client.h"

#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/runtime/host.h"
#include "server/serving/request_session.h"
#include "wafer_backend/base/retry_hint.h"

namespace waferline::simulated {
namespace {

// Some clients leave while their prompt is computed and handed over, some later.
constexpr Nanoseconds kPrompt = Milliseconds(15), kWhole = Milliseconds(400);

// What a client and the sink of its request share.
struct Call {
  Cloud* cloud = nullptr;
  Cloud::Front* front = nullptr;
  const Process* server = nullptr;
  size_t ask = 0;
  Manner manner = Manner::kStays;
  Asked* books = nullptr;
  Nanoseconds asked;
  // Under the cloud's mutex.
  Ending ending = Ending::kNone;
  int endings = 0;
  absl::Status status;
  std::vector<TokenId> tokens;
  std::vector<Nanoseconds> instants;
};

bool IsNamed(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kCancelled:
    case absl::StatusCode::kResourceExhausted:
      return !status.message().empty();
    default:
      return false;
  }
}

class ClientSink final : public serving::SessionSink {
 public:
  explicit ClientSink(std::shared_ptr<Call> call) : call_(std::move(call)) {}

  void OnAdmitted() override {}
  Verdict OnToken(const TokenEvent& token) override {
    const MutexLock lock(&call_->cloud->mutex());
    Call& call = *call_;
    const Texts& texts = call.cloud->texts();
    if (call.endings > 0) call.cloud->Fail("law 1: a token after the end");
    if (token.index != call.tokens.size())
      call.cloud->Fail("law 1: a token is missing or repeated");
    if ((!call.instants.empty() && token.since_arrival < call.instants.back()) ||
        call.asked + token.since_arrival > runtime::MonotonicNow()) {
      call.cloud->Fail("law 5: a token before its instant");
    }
    call.instants.push_back(token.since_arrival);
    call.tokens.push_back(token.value->id);
    if (texts.empty()) return Verdict::kContinue;  // this is the run without faults
    const std::vector<TokenId>& text = texts[call.ask];
    if (token.index >= text.size() || text[token.index] != token.value->id) {
      call.cloud->Fail(absl::StrCat("law 4: token ", token.index, " of request ", call.ask, " is ",
                                    token.value->id, ", without faults it was ",
                                    token.index < text.size() ? text[token.index] : -1));
    }
    ++call.cloud->figures().tokens;
    return Verdict::kContinue;
  }

 private:
  void HandleRefusal(const Refusal& refusal) override { End(Ending::kRefused, refusal.status); }
  void HandleOutcome(const Outcome& outcome) override {
    const bool complete =
        outcome.reason == FinishReason::kLength || outcome.reason == FinishReason::kStop;
    if (outcome.generated_tokens != call_->tokens.size()) {
      call_->cloud->Fail("law 7: the outcome counts other tokens than were sent");
    }
    End(complete                                     ? Ending::kComplete
        : outcome.reason == FinishReason::kCancelled ? Ending::kCancelled
                                                     : Ending::kFailed,
        outcome.status);
  }
  void End(Ending ending, const absl::Status& status) {
    const MutexLock lock(&call_->cloud->mutex());
    if (++call_->endings > 1) call_->cloud->Fail("law 1: two ends of one request");
    call_->ending = ending;
    call_->status = status;
    call_->front->changed.NotifyAll();
  }

  const std::shared_ptr<Call> call_;
};

// Of a request that is alone. A prompt longer than a block may be cached in part, which its first
// token shows; the times between tokens are the same in any case.
void CheckInstants(const Call& call) {
  Cloud& cloud = *call.cloud;
  const std::vector<Nanoseconds>& known = cloud.instants()[call.ask];
  const bool whole = call.books->prompt <= FrontEnd::kBlockTokens;
  for (size_t i = 0; i < known.size() && i < call.instants.size(); ++i) {
    const Nanoseconds from = whole ? Nanoseconds(0) : call.instants[0];
    const Nanoseconds known_from = whole ? Nanoseconds(0) : known[0];
    if (call.instants[i] - from == known[i] - known_from) continue;
    return cloud.Fail(absl::StrCat("law 6: token ", i, " of request ", call.ask, " came ",
                                   (call.instants[i] - from).count(), " ns after ",
                                   whole ? "its arrival" : "the first", ", without faults ",
                                   (known[i] - known_from).count()));
  }
}

void CheckEnd(const Call& call, bool left) {
  Cloud& cloud = *call.cloud;
  const Texts& texts = cloud.texts();
  Figures& figures = cloud.figures();
  switch (call.ending) {
    case Ending::kComplete:
      ++figures.complete;
      if (!call.status.ok()) cloud.Fail(absl::StrCat("complete with ", call.status.ToString()));
      if (texts.empty()) {
        cloud.recorded().resize(kAsks);
        cloud.recorded()[call.ask] = call.tokens;
        cloud.recorded_instants().resize(kAsks);
        cloud.recorded_instants()[call.ask] = call.instants;
      } else if (call.tokens.size() != texts[call.ask].size()) {
        cloud.Fail(absl::StrCat("law 4: request ", call.ask, " is complete with ",
                                call.tokens.size(), " tokens of ", texts[call.ask].size()));
      } else if (call.manner == Manner::kAlone) {
        CheckInstants(call);
      }
      return;
    case Ending::kCancelled:
      ++(left ? figures.cancelled : figures.failed);
      return;
    default:
      ++(call.ending == Ending::kRefused ? figures.refused : figures.failed);
      ++figures.errors[std::string(call.status.message().substr(0, 48))];
      if (!IsNamed(call.status)) {
        cloud.Fail(absl::StrCat("not a named error: ", call.status.ToString()));
      }
  }
}

std::string StateOf(const Cloud::Front* front) {
  if (front->serving == nullptr) return " and does not serve";
  const plane::PlaneCounters counters = front->serving->counters();
  return absl::StrCat(": its driver has ", counters.live_sequences, " sequences in ",
                      counters.slots_in_use, " slots, outage \"", counters.outage, "\"");
}

// Waits for its end; what it is for the client.
Ending Await(Call* call, serving::RequestSession* session) {
  Cloud& cloud = *call->cloud;
  World& world = cloud.world();
  const Nanoseconds bound = call->asked + cloud.options().request_bound;
  std::optional<Nanoseconds> leaves;
  if (call->manner == Manner::kMayLeave && world.OneIn(4))
    leaves = call->asked + world.DrawTime({}, world.OneIn(2) ? kPrompt : kWhole);
  const bool may_leave = call->manner == Manner::kMayLeave;
  const uint64_t departures = cloud.departures();
  bool left = false;
  while (true) {
    {
      const MutexLock lock(&cloud.mutex());
      const auto sent_away = [&] { return may_leave && !left && cloud.departures() != departures; };
      const Nanoseconds until = leaves && !left ? *leaves : bound;
      call->front->changed.WaitFor(&cloud.mutex(), until - runtime::MonotonicNow(), [&] {
        return call->ending != Ending::kNone || call->server->dead || sent_away();
      });
      if (sent_away()) leaves = runtime::MonotonicNow();
      if (call->server->dead) {
        ++cloud.figures().lost;
        return Ending::kLost;
      }
      if (call->ending != Ending::kNone) {
        CheckEnd(*call, left);
        return call->ending;
      }
    }
    if (runtime::MonotonicNow() >= bound) {
      cloud.Fail(absl::StrCat("request ", call->ask, " has not ended within ",
                              ToSeconds(cloud.options().request_bound), " s; it has ",
                              call->tokens.size(), " tokens; ", call->server->name,
                              call->server->stop ? " is stopping" : "", StateOf(call->front)));
      return Ending::kFailed;
    }
    if (leaves && !std::exchange(left, true)) session->Cancel();
  }
}

Ending Ask(const std::shared_ptr<Call>& call) {
  Cloud& cloud = *call->cloud;
  auto session = std::make_shared<serving::RequestSession>(
      call->front->serving->deps(),
      serving::SessionSubject{.caller = {.tenant = absl::StrCat("tenant-", call->ask % 3)},
                              .model = "tiny",
                              .endpoint = "simulated",
                              .request_id = call->books->id,
                              .received = call->asked});
  std::vector<serving::RequestSession::Sequence> sequences(1);
  sequences[0].request = AskNumber(call->ask);
  sequences[0].sink = std::make_shared<ClientSink>(call);
  std::optional<Refusal> refusal = session->Charge(std::span(&sequences[0].request, 1));
  if (!refusal) refusal = session->Submit(std::move(sequences));
  if (refusal) {
    const MutexLock lock(&cloud.mutex());
    call->ending = Ending::kRefused;
    call->status = refusal->status;
    CheckEnd(*call, false);
    return Ending::kRefused;
  }
  const Ending ending = Await(call.get(), session.get());
  session->RecordAnswered();
  return ending;
}

}  // namespace

Ending AskOnce(Cloud* cloud, Cloud::Front* front, size_t ask, Manner manner) {
  {
    const MutexLock lock(&cloud->mutex());
    if (front == nullptr || front->serving == nullptr || !Cloud::Alive(front->process)) {
      return Ending::kNoServer;
    }
    ++front->calls;
    ++cloud->figures().requests;
  }
  const auto call = std::make_shared<Call>();
  call->cloud = cloud;
  call->front = front;
  call->server = front->process;
  call->ask = ask;
  call->manner = manner;
  call->asked = runtime::MonotonicNow();
  call->books = &cloud->asked().emplace_back();
  call->books->id = absl::StrCat("r-", cloud->asked().size());
  call->books->front = front;
  call->books->server = call->server;
  call->books->prompt = static_cast<int64_t>(AskNumber(ask).prompt->size());
  const Ending ending = Ask(call);
  const MutexLock lock(&cloud->mutex());
  call->books->ending = ending;
  call->books->tokens = static_cast<int64_t>(call->tokens.size());
  --front->calls;
  front->changed.NotifyAll();
  return ending;
}

void RunClient(Cloud* cloud, const Process& process, int number) {
  World& world = cloud->world();
  while (!process.stop) {
    runtime::SleepFor(world.DrawTime(Milliseconds(1), Milliseconds(150)));
    Cloud::Front* front = cloud->leader();
    if (world.OneIn(4)) front = &cloud->fronts()[world.Draw(cloud->fronts().size())];
    (void)AskOnce(cloud, front, world.Draw(kAsks),
                  number == 0 ? Manner::kStays : Manner::kMayLeave);
  }
}

}  // namespace waferline::simulated
