#include "server/batches/batch_runner.h"

#include <algorithm>

#include "server/batches/batch_view.h"

namespace waferline::batches {
namespace {

using store::Connection;

constexpr Nanoseconds kShortestRest = Milliseconds(20);

}  // namespace

void BatchRunner::Start() {
  if (book_.one_server()) {
    // No other server can have them any more.
    book_.WriteLater([](Connection& connection) { return ReleaseLeases(connection, {}); });
  }
  thread_ = std::thread([this] { Loop(); });
}

void BatchRunner::Wake() {
  MutexLock lock(&inbox_->mutex);
  inbox_->woken = true;
  inbox_->changed.NotifyAll();
}

void BatchRunner::Drain() {
  MutexLock lock(&inbox_->mutex);
  inbox_->draining = true;
}

void BatchRunner::Stop() {
  {
    MutexLock lock(&inbox_->mutex);
    inbox_->draining = true;
    inbox_->stopping = true;
    inbox_->changed.NotifyAll();
  }
  if (!thread_.joinable()) return;
  thread_.join();
  book_.WriteLater([server = options_.server](Connection& connection) {
    return ReleaseLeases(connection, server);
  });
}

void BatchRunner::Loop() {
  for (;;) {
    News news = Await();
    TakeAnswers(std::move(news.arrived));
    if (news.stopping) return;
    if (news.woken || options_.now() >= next_look_) {
      next_look_ = options_.now() + kMaxWait;
      for (const auto& run : runs_) run->Follow();
      if (!news.draining) Claim();
    }
    if (news.draining) continue;
    StartLines();
    FinishRuns();
  }
}

BatchRunner::News BatchRunner::Await() {
  MutexLock lock(&inbox_->mutex);
  const Nanoseconds now = options_.now();
  Nanoseconds until = std::max(std::min(kMaxWait, next_look_ - now), Nanoseconds(0));
  for (const auto& run : runs_) {
    const auto rests = run->rests_until();
    if (rests && *rests > now) until = std::min(until, *rests - now);
  }
  inbox_->changed.WaitFor(&inbox_->mutex, until, [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
    return inbox_->stopping || inbox_->woken || !inbox_->arrived.empty();
  });
  return {.arrived = std::exchange(inbox_->arrived, {}),
          .woken = std::exchange(inbox_->woken, false),
          .draining = inbox_->draining,
          .stopping = inbox_->stopping};
}

void BatchRunner::TakeAnswers(std::vector<Arrived> arrived) {
  for (Arrived& each : arrived) {
    const LineAnswer& answer = each.answer;
    --under_way_;
    if (answer.retry_after) {
      each.run->Return(each.line, options_.now() + std::max(*answer.retry_after, kShortestRest),
                       answer.settle);
      continue;
    }
    const int64_t number = each.line.number;
    each.run->End({.line = number,
                   .ok = answer.code == 200,
                   .row = ResponseRow({each.run->batch().key, number, each.custom_id}, answer.code,
                                      answer.request_id, answer.body)},
                  answer.settle);
  }
}

void BatchRunner::Claim() {
  if (runs_.size() >= kMaxRuns || !book_.MayWrite().ok()) return;
  const auto free = book_.Read([&](Connection& c) {
    return FreeBatches(c, options_.server, options_.unix_us(), 2 * kMaxRuns);
  });
  if (!free.ok()) return;
  for (const Key& key : *free) {
    const bool here = std::any_of(runs_.begin(), runs_.end(), [&](const auto& run) {
      return run->batch().key.tenant == key.tenant && run->batch().key.id == key.id;
    });
    if (here || runs_.size() >= kMaxRuns) continue;
    auto run = BatchRun::Open({&book_, options_.unix_us, options_.server}, key);
    if (!run.ok()) return;
    if (*run != nullptr) runs_.push_back(*std::move(run));
  }
}

void BatchRunner::StartLines() {
  if (!book_.MayWrite().ok()) return;
  // One of each batch in turn.
  for (bool started = true; started && under_way_ < options_.max_lines;) {
    started = false;
    for (const auto& run : runs_) {
      if (under_way_ >= options_.max_lines) break;
      const auto line = run->Next(options_.now());
      if (!line) continue;
      StartLine(run, *line);
      started = true;
    }
  }
}

void BatchRunner::StartLine(const std::shared_ptr<BatchRun>& run, const Line& line) {
  LineRequest request = run->Read(line);
  ++under_way_;
  const Batch& batch = run->batch();
  options_.execute(
      {batch.key.tenant, batch.key_id, TextOf(batch, "endpoint"), std::move(request.body)},
      [inbox = inbox_, run, line, custom_id = request.custom_id](LineAnswer answer) {
        MutexLock lock(&inbox->mutex);
        inbox->arrived.push_back({run, line, custom_id, std::move(answer)});
        inbox->changed.NotifyAll();
      });
}

void BatchRunner::FinishRuns() {
  for (const auto& run : runs_) {
    // If the database takes nothing now, a later look tries again.
    if (run->complete()) (void)run->Finish();
  }
  // There is room for others.
  if (std::erase_if(runs_, [](const auto& run) { return run->over(); }) > 0) {
    next_look_ = options_.now();
  }
}

}  // namespace waferline::batches
