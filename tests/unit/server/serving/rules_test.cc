// What holds for every request and caller, whatever the protocol.
#include <catch2/catch.hpp>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "server/serving/access.h"
#include "server/serving/limits.h"
#include "server/serving/request_rules.h"
#include "server/serving/write_queue.h"
#include "tests/unit/server/serving/plain_deps.h"

namespace waferline::serving {

TEST_CASE("a request id is visible ASCII of bounded length; anything else is replaced") {
  CHECK(IsRequestId("a"));
  CHECK(IsRequestId(std::string(kMaxRequestIdBytes, '~')));
  CHECK_FALSE(IsRequestId(std::string(kMaxRequestIdBytes + 1, '~')));
  for (const char* wrong : {"", " ", "a b", "a\n", "\x7f", "\xc3\xa4"})
    CHECK_FALSE(IsRequestId(wrong));
  RequestIdSource ids(1);
  CHECK(ids.IdFor("mine-1") == "mine-1");
  std::set<std::string> made;
  for (int i = 0; i < 1000; ++i) {
    const std::string id = ids.IdFor("not one");
    CHECK(id.size() == 16);
    CHECK(IsRequestId(id));
    made.insert(id);
  }
  CHECK(made.size() == 1000);
}

TEST_CASE("an outcome's status: its own, else what its reason stands for") {
  CHECK(StatusOf({.reason = FinishReason::kStop}).ok());
  CHECK(StatusOf({.reason = FinishReason::kLength}).ok());
  CHECK(StatusOf({.reason = FinishReason::kCancelled}).code() == absl::StatusCode::kCancelled);
  CHECK(StatusOf({.reason = FinishReason::kDeadline}).code() ==
        absl::StatusCode::kDeadlineExceeded);
  CHECK(StatusOf({.reason = FinishReason::kFailed}).code() == absl::StatusCode::kInternal);
  const absl::Status lost = absl::UnavailableError("a worker was lost");
  for (const auto reason : {FinishReason::kCancelled, FinishReason::kFailed}) {
    CHECK(StatusOf({.reason = reason, .status = lost}) == lost);
  }
}

TEST_CASE("access: keys say who asks, for which models, and who operates") {
  PlainDeps plain;
  const auto keys = tenancy::ApiKeys::Create({{.key = "k1", .tenant = "t1", .models = {"bytes"}},
                                              {.key = "k2", .tenant = "t2", .admin = true}});
  REQUIRE(keys.ok());
  ServerDeps deps = plain.With(nullptr, nullptr, nullptr);
  using enum absl::StatusCode;
  SECTION("without keys: anyone may ask, this machine may operate") {
    CHECK(Authenticate(deps, "").ok());
    CHECK(AuthorizeAdmin(deps, "", {.this_machine = true}).ok());
    CHECK(AuthorizeAdmin(deps, "", {}).status().code() == kPermissionDenied);
  }
  SECTION("with keys: wherever they come from") {
    deps.keys = &*keys;
    CHECK(Authenticate(deps, "").status().code() == kUnauthenticated);
    CHECK(Authenticate(deps, "Bearer k1")->tenant == "t1");
    CHECK(AuthorizeAdmin(deps, "", {.this_machine = true}).status().code() == kUnauthenticated);
    CHECK(AuthorizeAdmin(deps, "Bearer k1", {.this_machine = true}).status().code() ==
          kPermissionDenied);
    CHECK(AuthorizeAdmin(deps, "Bearer k2", {})->tenant == "t2");
    CHECK(AuthorizeModel(*Authenticate(deps, "Bearer k1"), "bytes").ok());
    CHECK(AuthorizeModel(*Authenticate(deps, "Bearer k1"), "mute").code() == kPermissionDenied);
    CHECK(AuthorizeModel(*Authenticate(deps, "Bearer k2"), "mute").ok());
  }
}

namespace {
struct CountingWriter : QueuedWriter {
  void OnNotified() override { ++notified; }
  int notified = 0;
};
}  // namespace

TEST_CASE("a write queue wakes its thread once for however many writers") {
  int wakes = 0;
  WriteQueue queue([&] { ++wakes; });
  std::vector<std::shared_ptr<CountingWriter>> writers;
  for (int i = 0; i < 10; ++i) writers.push_back(std::make_shared<CountingWriter>());
  for (int round = 1; round <= 3; ++round) {
    for (const auto& writer : writers) queue.Notify(writer);
    CHECK(wakes == round);
    queue.Drain();
    for (const auto& writer : writers) {
      CHECK(writer->notified == round);
      CHECK(writer.use_count() == 1);
    }
  }
  queue.Drain();
  CHECK(wakes == 3);
}

}  // namespace waferline::serving
