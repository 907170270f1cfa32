// Models with engines of their own: what one waits for stops no other.
#include "server/runtime/engine_group.h"

#include <catch2/catch.hpp>

#include "tests/unit/server/runtime/live_cloud.h"

namespace waferline::runtime {
namespace {

struct Pair {
  Pair() {
    silent.Start();
    other.Start();
  }
  static EngineThreadOptions Options(size_t member) {
    EngineThreadOptions options;
    options.tickets = EngineGroup::TicketsOf(member, 2);
    options.drain_bound = Milliseconds(200);
    return options;
  }
  // Submits, and gives the ticket.
  Ticket Send(LiveCloud& live, const std::shared_ptr<RecordingSink>& sink,
              std::optional<Nanoseconds> deadline = std::nullopt) {
    ValidRequest request = live.Request(sink, 64, 20);
    request.deadline = deadline;
    const absl::StatusOr<Ticket> ticket = group.Submit(std::move(request));
    REQUIRE(ticket.ok());
    return *ticket;
  }
  LiveCloud silent{Options(0), "silent"};
  LiveCloud other{Options(1), "other"};
  EngineGroup group{{{silent.thread.get(), {"silent"}}, {other.thread.get(), {"other"}}}};
};

TEST_CASE("a model whose values do not come delays no other") {
  Pair pair;
  pair.silent.source.given = 3;
  const auto stuck = std::make_shared<RecordingSink>();
  pair.Send(pair.silent, stuck);
  REQUIRE(
      WaitFor([&] { return pair.silent.thread->blocked_age() > Milliseconds(100); }, Seconds(20)));
  for (int i = 0; i < 3; ++i) {
    const auto sink = std::make_shared<RecordingSink>();
    pair.Send(pair.other, sink);
    sink->Await();
    REQUIRE(sink->outcome.reason == FinishReason::kLength);
  }
  REQUIRE(stuck->endings == 0);
  REQUIRE(pair.silent.thread->blocked_age() > Milliseconds(100));
  pair.silent.source.given = GatedSource::kAll;
  pair.silent.thread->Wake();
  stuck->Await();
  REQUIRE(stuck->outcome.reason == FinishReason::kLength);
  REQUIRE(pair.silent.thread->blocked_age() == Nanoseconds());
}

TEST_CASE("a deadline is kept while emulated time stands still") {
  Pair pair;
  pair.silent.source.given = 3;
  const auto sink = std::make_shared<RecordingSink>();
  const int64_t begin = WallNanoseconds();
  pair.Send(pair.silent, sink, Milliseconds(300));
  sink->Await();
  const Nanoseconds took(WallNanoseconds() - begin);
  REQUIRE(sink->outcome.reason == FinishReason::kDeadline);
  REQUIRE(sink->since.size() == 3);
  REQUIRE(took >= Milliseconds(300));
  REQUIRE(took < Seconds(5));
}

TEST_CASE("tickets, snapshots, aborts and the end concern all engines") {
  Pair pair;
  pair.silent.source.given = 3;
  pair.other.source.given = 3;
  std::vector<std::shared_ptr<RecordingSink>> sinks;
  std::vector<Ticket> tickets;
  for (int i = 0; i < 3; ++i) {
    for (LiveCloud* live : {&pair.silent, &pair.other}) {
      sinks.push_back(std::make_shared<RecordingSink>());
      tickets.push_back(pair.Send(*live, sinks.back()));
    }
  }
  std::sort(tickets.begin(), tickets.end());
  REQUIRE(std::adjacent_find(tickets.begin(), tickets.end()) == tickets.end());
  Notification counted;
  engine::EngineSnapshot all;
  REQUIRE(pair.group.Snapshot([&](engine::EngineSnapshot merged) {
    all = std::move(merged);
    counted.Notify();
  }));
  counted.Wait();
  REQUIRE(all.accepted == 6);
  REQUIRE(all.in_flight == 6);
  REQUIRE(all.lanes.size() == 2);
  REQUIRE(all.lanes[1].model == "other");
  for (const Ticket ticket : tickets) pair.group.Cancel(ticket);
  for (const auto& sink : sinks) {
    sink->Await();
    REQUIRE(sink->outcome.reason == FinishReason::kCancelled);
    REQUIRE(sink->endings == 1);
  }
  Notification aborted;
  uint32_t ended = 99;
  REQUIRE(
      pair.group.Abort({"no such request", ""}, absl::CancelledError("x"), [&](uint32_t sequences) {
        ended = sequences;
        aborted.Notify();
      }));
  aborted.Wait();
  REQUIRE(ended == 0);
  pair.group.Stop();
  REQUIRE_FALSE(pair.group.Snapshot([](engine::EngineSnapshot) {}));
}

}  // namespace
}  // namespace waferline::runtime
