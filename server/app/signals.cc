#include "server/app/signals.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>

namespace waferline::app {
namespace {

sigset_t EndSignals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGHUP);
  return set;
}

bool IsPending() {
  sigset_t pending;
  sigpending(&pending);
  return sigismember(&pending, SIGTERM) == 1 || sigismember(&pending, SIGINT) == 1 ||
         sigismember(&pending, SIGHUP) == 1;
}

[[noreturn]] void EndBeforeReady() {
  fprintf(stderr, "waferd: a signal came before it was ready, ending\n");
  _exit(0);
}

}  // namespace

void BlockSignals() {
  const sigset_t set = EndSignals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
}

const char* WaitForSignal() {
  return WaitForSignal([] { return false; });
}

const char* WaitForSignal(const std::function<bool()>& unless) {
  const sigset_t set = EndSignals();
  const timespec look{.tv_sec = 0, .tv_nsec = 100'000'000};
  while (!unless()) {
    const int number = sigtimedwait(&set, nullptr, &look);
    if (number > 0) return number == SIGINT ? "SIGINT" : number == SIGHUP ? "SIGHUP" : "SIGTERM";
  }
  return nullptr;
}

// One that came before ends it here, however late the thread runs.
EndOnSignal::EndOnSignal() : wake_(eventfd(0, EFD_CLOEXEC)) {
  if (IsPending()) EndBeforeReady();
  thread_ = std::thread([this] { Wait(); });
}

EndOnSignal::~EndOnSignal() {
  const uint64_t one = 1;
  (void)!write(wake_, &one, sizeof one);
  thread_.join();
  close(wake_);
}

void EndOnSignal::Wait() const {
  const sigset_t set = EndSignals();
  const int signals = signalfd(-1, &set, SFD_CLOEXEC);
  pollfd events[] = {{wake_, POLLIN, 0}, {signals, POLLIN, 0}};
  while (poll(events, 2, -1) < 0 && errno == EINTR) continue;
  if (events[0].revents == 0) EndBeforeReady();
  close(signals);
}

void EndOnSecondSignal() {
  std::thread([] {
    WaitForSignal();
    fprintf(stderr, "waferd: second signal, ending without waiting for requests in flight\n");
    _exit(1);
  }).detach();
}

}  // namespace waferline::app
