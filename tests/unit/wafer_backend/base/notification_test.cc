#include "wafer_backend/base/notification.h"

#include <catch2/catch.hpp>
#include <memory>
#include <thread>

namespace waferline {
namespace {

TEST_CASE("what happens once is seen by all that wait, before or after") {
  Notification notification;
  CHECK_FALSE(notification.WaitFor(Milliseconds(1)));
  int value = 0;
  std::thread other([&] {
    value = 7;
    notification.Notify();
  });
  notification.Wait();
  CHECK(value == 7);
  CHECK(notification.WaitFor(Nanoseconds(0)));
  other.join();
}

TEST_CASE("a waiter may destroy it at once") {
  for (int round = 0; round < 500; ++round) {
    auto notification = std::make_unique<Notification>();
    std::thread other([raw = notification.get()] { raw->Notify(); });
    notification->Wait();
    notification.reset();
    other.join();
  }
}

TEST_CASE("threads that wait for what others change miss nothing") {
  Mutex mutex;
  CondVar changed;
  int turn = 0;  // guarded by mutex
  const auto play = [&](int mine) {
    for (int i = 0; i < 500; ++i) {
      MutexLock lock(&mutex);
      changed.Wait(&mutex, [&] { return turn % 2 == mine; });
      ++turn;
      changed.NotifyAll();
    }
  };
  std::thread even(play, 0), odd(play, 1);
  even.join();
  odd.join();
  CHECK(turn == 1000);
  MutexLock lock(&mutex);
  CHECK_FALSE(changed.WaitFor(&mutex, Milliseconds(1), [&] { return turn > 1000; }));
}

}  // namespace
}  // namespace waferline
