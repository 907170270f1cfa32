#include "server/app/batch_service.h"

#include <utility>

#include "server/http/batch_line.h"
#include "server/runtime/host.h"

namespace waferline::app {

BatchService::BatchService(Billing* billing, http::Generations* generations, size_t max_lines,
                           Post post) {
  batches::BatchBook* const book = billing->batches();
  if (book == nullptr) return;
  const http::TakeRecords take = [records = billing->records()](const std::string& usage_id) {
    return records->TakeKeptBack(usage_id);
  };
  runner_ = std::make_unique<batches::BatchRunner>(batches::BatchRunner::Options{
      .book = book,
      .execute =
          [generations, take, post = std::move(post)](batches::LineCall line, auto done) {
            post([generations, take, line = std::move(line), done = std::move(done)]() mutable {
              http::RunBatchLine(*generations, take, line, std::move(done));
            });
          },
      .now = runtime::MonotonicNow,
      .unix_us = runtime::UnixMicroseconds,
      .server = static_cast<int64_t>(runtime::RandomSeed() >> 1),
      .max_lines = max_lines});
  generations->UseBatches({.book = book, .wake = [runner = runner_.get()] { runner->Wake(); }});
}

void BatchService::Start() {
  if (runner_ != nullptr) runner_->Start();
}

void BatchService::Drain() {
  if (runner_ != nullptr) runner_->Drain();
}

void BatchService::Stop() {
  if (runner_ != nullptr) runner_->Stop();
}

}  // namespace waferline::app
