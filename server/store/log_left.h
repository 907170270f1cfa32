// What a server that was killed, or a power failure, left of a SQLite write-ahead log. The log's
// index outlives both, so it says how much log there was, and what SQLite recovers says how much
// there is: what was cut from the log, or damaged in it, while no server ran is reported.
//
// A log that was cut though the database has all of it would undo what is newer. It is set aside,
// as PATH-wal.cut. If the database has a part of it (a copy leaves out pages that are in the log
// again later), no state is whole without the rest: that is said.
//
// Owner: SqliteFiles. Thread: one at a time; Look before the first connection of the process.
#pragma once

#include <string>

#include "server/store/log_index.h"

namespace waferline::store {

class LogLeft {
 public:
  void Look(const std::string& path);
  // Once, with what was recovered, before anything is written: what is lost, for the operator, and
  // what to do. "": nothing.
  std::string TakeLoss(const LogIndex& recovered);

 private:
  LogIndex index_;  // zero: there is nothing to compare
  bool set_aside_ = false;
};

}  // namespace waferline::store
