// SIGTERM, SIGINT and SIGHUP (its terminal was closed): blocked in every thread, and waited for by
// those that do something about them.
#pragma once

#include <functional>
#include <thread>

namespace waferline::app {

// Call before any thread is started.
void BlockSignals();
// Waits for SIGTERM or SIGINT and returns its name.
const char* WaitForSignal();
// The same until `unless()`, asked ten times a second, says so; then null.
const char* WaitForSignal(const std::function<bool()>& unless);

// While it lives a signal ends the process at once, with exit code 0. For the start of a server or
// worker: until the doors are open there is nothing to drain, and what loads a model or brings a
// database up to date does not look at signals. It ends as if it were killed, which all of its
// files outlive.
class EndOnSignal {
 public:
  EndOnSignal();
  // A signal that comes now is left to WaitForSignal.
  ~EndOnSignal();
  EndOnSignal(const EndOnSignal&) = delete;
  EndOnSignal& operator=(const EndOnSignal&) = delete;

 private:
  void Wait() const;

  const int wake_;  // readable: this goes
  std::thread thread_;
};

// From now on the next signal ends the process at once, with exit code 1: a drain may take a while;
// one who signals again does not want to wait.
void EndOnSecondSignal();

}  // namespace waferline::app
