// One open batch that this server runs: its lines that have no row yet, and the rows of those that
// have. It reads and writes the book; what runs the lines is the runner's.
//
// Owner: the runner and the lines under way; thread: the runner's. Bounds: an input, which is at
// most a request body; kMaxResultBytes of rows, the lines after them fail.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/batches/batch_book.h"
#include "server/batches/batch_input.h"
#include "wafer_backend/base/units.h"

namespace waferline::batches {

// What becomes of a line's usage records: called in the transaction of its row, with whether that
// row is kept, so that what is charged is what the output has. Again if the transaction is
// repeated. Null: it has none. Thread: the store's writer.
using SettleUsage = std::function<void(bool kept)>;

class BatchRun {
 public:
  // A server that has died loses its batches after so long.
  static constexpr Nanoseconds kLease = Seconds(15);

  struct Host {
    BatchBook* book = nullptr;
    std::function<int64_t()> unix_us;
    int64_t server = 1;  // its own number among those that share the database
  };

  // Takes the batch and reads what is to be done for it. Null: another server has it, or its input
  // is none and it has failed.
  static absl::StatusOr<std::shared_ptr<BatchRun>> Open(const Host& host, const Key& key);

  BatchRun(Host host, Batch batch) : host_(std::move(host)), batch_(std::move(batch)) {}

  const Batch& batch() const { return batch_; }

  // Renews its lease, and looks at what others did to it: cancelled, taken; or its window is over.
  void Follow();
  // The next line to run; none while it rests.
  std::optional<Line> Next(Nanoseconds now);
  LineRequest Read(const Line& line) const;
  // A line that Next gave has its row, or comes back after a rest.
  void End(LineResult result, SettleUsage settle);
  void Return(const Line& line, Nanoseconds rests_until, SettleUsage settle);
  std::optional<Nanoseconds> rests_until() const { return rests_until_; }

  // Nothing is left to start or to wait for.
  bool complete() const { return under_way_ == 0 && next_ == lines_.size() && again_.empty(); }
  // Its files are made, or another server has it.
  bool over() const { return over_ && under_way_ == 0; }
  // Makes its files. After a failure it may be called again.
  absl::Status Finish();

 private:
  absl::Status Begin();
  absl::Status TakeInput(Input input);
  absl::Status FailWhole(const absl::Status& why);
  void Record(LineResult result, SettleUsage settle = nullptr);
  void RecordFault(const Line& line, const char* code, const std::string& message);
  void StartNoMore();
  Line Take();
  void Expire();
  absl::Status Keep(bool ok);
  absl::Status Move(const std::string& from, const std::string& or_from);
  int64_t Seconds1970() const { return host_.unix_us() / 1'000'000; }

  const Host host_;
  Batch batch_;
  std::string text_;
  std::vector<Line> lines_;  // that have no row yet, in order
  size_t next_ = 0;          // of them
  std::deque<Line> again_;   // that come back after a rest
  std::optional<Nanoseconds> rests_until_;
  size_t under_way_ = 0;
  int64_t bytes_ = 0;  // of its rows
  bool over_ = false;
};

}  // namespace waferline::batches
