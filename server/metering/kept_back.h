// Usage records of batches' lines, which wait for the rows of their answers: a line's records are
// posted in the transaction that writes its row, so a line that has a row was charged once, and one
// without, which is run again, was not.
//
// Owner: StoreMeter. Thread: any. Bounds: the lines that are under way.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "server/metering/usage_batch.h"
#include "wafer_backend/base/mutex.h"

namespace waferline::metering {

// The tier that is asked and charged of batches' lines, whichever units serve them.
inline constexpr char kBatchTier[] = "batch";

class KeptBack {
 public:
  using Posts = std::vector<std::shared_ptr<const PostedUsage>>;

  // A line was admitted; `open` has the id of its first choice.
  void Add(const OpenUsage& open);
  // One of its choices ended. False: its answer was taken before (of several choices one failed).
  bool Keep(std::shared_ptr<const PostedUsage> posted);
  // The line's answer is made, its id written as text: what was kept.
  Posts Take(const std::string& usage_id);
  // Its request is over: without a choice that ended there is nothing to take.
  void Forget(const UsageId& first);
  // The server is stopping: nothing is kept from now on. All choices of the lines still held.
  std::vector<OpenUsage> Close();

 private:
  struct Line {
    OpenUsage open;
    Posts posts;
  };

  Mutex mutex_;
  std::map<UsageId, Line> lines_ ABSL_GUARDED_BY(mutex_);  // by their first choices
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace waferline::metering
