// Runs open batches of a book: a few at once, oldest first, each line as a request of its own.
// Whatever it has recorded stays recorded: after a crash, here or on another server, a batch goes
// on with the lines that have no row yet.
//
// A server takes a batch by a lease, which it renews; one that has died loses its batches after
// BatchRun::kLease (with SQLite, which has one server, at the next start). A line whose answer says
// to come back later (429 with a hint, 503) is run again, until the batch expires.
//
// Owner: server/app; the book outlives it. Thread: its own; calls and answers from any. Bounds:
// max_lines under way, kMaxRuns batches read into memory, kMaxWait between two looks at the
// database.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "server/batches/batch_run.h"
#include "wafer_backend/base/mutex.h"
#include "wafer_backend/base/units.h"

namespace waferline::batches {

// A request of a batch, and who asks.
struct LineCall {
  std::string tenant;
  std::string key_id;
  std::string endpoint;
  std::string body;
};
struct LineAnswer {
  int code = 0;
  std::string request_id;
  std::string body;                        // JSON
  std::optional<Nanoseconds> retry_after;  // waiting helps
  SettleUsage settle = nullptr;
};

class BatchRunner {
 public:
  static constexpr size_t kMaxRuns = 4;
  static constexpr Nanoseconds kMaxWait = Seconds(1);

  struct Options {
    BatchBook* book = nullptr;
    // Runs a line and calls back once, from any thread; never, if the server ends first.
    std::function<void(LineCall call, std::function<void(LineAnswer)> done)> execute;
    std::function<Nanoseconds()> now;  // monotonic
    std::function<int64_t()> unix_us;
    int64_t server = 1;  // its own number among those that share the database
    size_t max_lines = 16;
  };

  explicit BatchRunner(Options options) : options_(std::move(options)), book_(*options_.book) {}
  ~BatchRunner() { Stop(); }
  BatchRunner(const BatchRunner&) = delete;
  BatchRunner& operator=(const BatchRunner&) = delete;

  void Start();
  // There may be something new in the book.
  void Wake();
  // Starts no line from now on; answers of those under way are still recorded.
  void Drain();
  // Records the answers that have come, releases the batches, ends the thread. Idempotent.
  void Stop();

 private:
  struct Arrived {
    std::shared_ptr<BatchRun> run;
    Line line;
    std::string custom_id;
    LineAnswer answer;
  };
  // Shared with answers that may come after the runner is gone.
  struct Inbox {
    Mutex mutex;
    CondVar changed;
    std::vector<Arrived> arrived ABSL_GUARDED_BY(mutex);
    bool woken ABSL_GUARDED_BY(mutex) = false;
    bool draining ABSL_GUARDED_BY(mutex) = false;
    bool stopping ABSL_GUARDED_BY(mutex) = false;
  };
  // What the thread wakes up for.
  struct News {
    std::vector<Arrived> arrived;
    bool woken, draining, stopping;
  };

  void Loop();
  News Await();
  void TakeAnswers(std::vector<Arrived> arrived);
  void Claim();
  void StartLines();
  void StartLine(const std::shared_ptr<BatchRun>& run, const Line& line);
  void FinishRuns();

  const Options options_;
  BatchBook& book_;
  const std::shared_ptr<Inbox> inbox_ = std::make_shared<Inbox>();
  // Of the runner's thread:
  std::vector<std::shared_ptr<BatchRun>> runs_;
  size_t under_way_ = 0;  // lines
  Nanoseconds next_look_;
  std::thread thread_;
};

}  // namespace waferline::batches
