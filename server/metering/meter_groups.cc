// What the meter writes with each group of the writer's: open rows, what ended, what was answered.
#include <utility>

#include "server/metering/request_records.h"
#include "server/metering/store_meter.h"
#include "wafer_backend/base/status.h"

namespace waferline::metering {
namespace {

using store::Connection;
using store::Statement;

// What was answered is written at most so often: each time changes a page of the file.
constexpr Nanoseconds kMarkPeriod = Milliseconds(100);

}  // namespace

// What an attempt that failed has taken is taken by the next, which goes step by step.
void StoreMeter::BeginGroup() {
  one_by_one_ = std::exchange(attempted_, true);
  batch_.Clear();
  for (const auto& request : opening_) request->OpenIn(&batch_);
  if (!written_) return;
  MutexLock lock(&mutex_);
  marked_ = false;
}

absl::StatusOr<std::vector<Statement>> StoreMeter::WriteGroup(Connection& connection) {
  TakeOpens();
  WL_ASSIGN_OR_RETURN(
      std::vector<Statement> last,
      batch_.Write(connection,
                   one_by_one_ ? UsageBatch::Steps::kOneByOne : UsageBatch::Steps::kAtOnce,
                   next_position_));
  WriteAnswered(&last);
  return last;
}

void StoreMeter::WriteAnswered(std::vector<Statement>* last) {
  const Nanoseconds early = flushing_ ? Nanoseconds(0) : next_mark_ - options_.now();
  {
    MutexLock lock(&mutex_);
    if (marked_) return;
    if (early > Nanoseconds(0)) {
      LookAgain(early);
      return;
    }
    marked_ = true;
    written_ = answered_.Text();
  }
  static const std::string kMark = "UPDATE epoch SET answered = $2 WHERE id = $1";
  for (const int64_t epoch : epochs_) {
    last->push_back({.sql = &kMark, .values = {epoch, *written_}});
  }
}

void StoreMeter::OnCommitted() {
  next_position_ += static_cast<int64_t>(batch_.posts());
  if (written_) next_mark_ = options_.now() + kMarkPeriod;
  written_.reset();
  opening_.clear();
  attempted_ = false;
  MutexLock lock(&mutex_);
  trouble_.clear();
}

void StoreMeter::OnAdmitted(std::shared_ptr<const InFlight> request) {
  bool first;
  {
    MutexLock lock(&mutex_);
    first = admitted_.empty();
    admitted_.push_back(std::move(request));
  }
  if (first) LookAgain(options_.open_delay);
}

// So that there is a group by then.
void StoreMeter::LookAgain(Nanoseconds within) {
  writer_.Post([](Connection&) { return absl::OkStatus(); }, nullptr, within);
}

void StoreMeter::TakeOpens() {
  const Nanoseconds before = flushing_ ? options_.now() : options_.now() - options_.open_delay;
  bool more;
  {
    MutexLock lock(&mutex_);
    while (!admitted_.empty()) {
      const bool over = admitted_.front()->AllOver();
      if (!over && admitted_.front()->since > before) break;
      if (!over) opening_.push_back(std::move(admitted_.front()));
      admitted_.pop_front();
    }
    more = !admitted_.empty();
  }
  for (const auto& request : opening_) request->OpenIn(&batch_);
  if (more) LookAgain(options_.open_delay);
}

// The mark goes with a commit of anything, or soon by itself.
void StoreMeter::OnAnswered(int64_t ordinal) {
  if (stopped_) return;
  {
    MutexLock lock(&mutex_);
    answered_.Add(ordinal);
    if (!std::exchange(marked_, false)) return;
  }
  LookAgain(kMarkPeriod);
}

}  // namespace waferline::metering
