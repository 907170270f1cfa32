#include "server/store/commit_pace.h"

#include <algorithm>
#include <catch2/catch.hpp>

namespace waferline::store {
namespace {

// Commits that take so long, each as soon as it may begin, from `began` on for a second.
int InOneSecond(CommitPace* pace, Nanoseconds took, Nanoseconds began) {
  int commits = 0;
  for (Nanoseconds now = began;; ++commits) {
    now = std::max(now, pace->next());
    if (now >= began + Seconds(1)) return commits;
    now += took;
    pace->Add(took, now);
  }
}

}  // namespace

TEST_CASE("a store that was idle commits some records at once, then by its pace") {
  CommitPace pace;
  (void)InOneSecond(&pace, Milliseconds(1), Seconds(1));  // what one takes is learned
  const Nanoseconds now = Seconds(100);
  for (int i = 0; i < CommitPace::kBurst; ++i) {
    CHECK(pace.next() <= now);
    pace.Add(Milliseconds(1), now);
  }
  pace.Add(Milliseconds(1), now);
  CHECK(pace.next() > now);
}

TEST_CASE("commits before their time put off the next by one gap at most") {
  CommitPace pace;
  Nanoseconds now = Seconds(1);
  for (int i = 0; i < 400; ++i) pace.Add(Milliseconds(5), now = now + Milliseconds(5));
  CHECK(pace.next() <= now + CommitPace::kMaxGap);
}

TEST_CASE("commits of a busy store take their share of the time, whatever one takes") {
  CommitPace pace;
  const auto took = GENERATE(Microseconds(300), Milliseconds(1), Milliseconds(2));
  (void)InOneSecond(&pace, took, Seconds(1));  // the burst, and what one takes is learned
  const int commits = InOneSecond(&pace, took, Seconds(2));
  CHECK(took * commits <= Seconds(1) / CommitPace::kShare + took);
  CHECK(took * commits >= Seconds(1) / CommitPace::kShare - took * 2);
}

TEST_CASE("commits of a very fast or very slow database begin within bounds of each other") {
  CommitPace fast, slow;
  (void)InOneSecond(&fast, Microseconds(1), Seconds(1));
  CHECK(InOneSecond(&fast, Microseconds(1), Seconds(2)) <= Seconds(1) / CommitPace::kMinGap + 1);
  (void)InOneSecond(&slow, Milliseconds(20), Seconds(1));
  CHECK(InOneSecond(&slow, Milliseconds(20), Seconds(2)) >= Seconds(1) / CommitPace::kMaxGap - 1);
}

}  // namespace waferline::store
