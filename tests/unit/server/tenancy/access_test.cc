// Keys to callers, and budgets over time.
#include <catch2/catch.hpp>

#include "server/tenancy/api_keys.h"
#include "server/tenancy/budget.h"
#include "wafer_backend/base/seeded_stream.h"

namespace waferline::tenancy {

TEST_CASE("without keys every caller may do everything") {
  const ApiKeys keys;
  CHECK(!keys.required());
  CHECK(keys.Authenticate("")->admin);
  CHECK(keys.Authenticate("")->MayUse("any"));
}

TEST_CASE("keys: known, unknown, missing, disabled, by digest") {
  // printf %s secret-b | sha256sum
  const auto keys = ApiKeys::Create(
      {{.key = "secret-a", .tenant = "a", .models = {"m1"}},
       {.key = "sha256:ff492ef788c89b555e6f738b33d2422f57dbb6656af2402155672c5f123a90af",
        .tenant = "b",
        .admin = true},
       {.key = "secret-c", .tenant = "c", .enabled = false}});
  REQUIRE(keys.ok());
  CHECK(keys->Authenticate("Bearer secret-a")->tenant == "a");
  CHECK(keys->Authenticate("bearer secret-a")->tenant == "a");
  CHECK(keys->Authenticate("Bearer secret-a")->MayUse("m1"));
  CHECK(!keys->Authenticate("Bearer secret-a")->MayUse("m2"));
  CHECK(!keys->Authenticate("Bearer secret-a")->admin);
  CHECK(keys->Authenticate("Bearer secret-b")->tenant == "b");
  CHECK(keys->Authenticate("Bearer secret-b")->admin);
  for (const char* bad : {"", "secret-a", "Bearer ", "Bearer nope", "Basic c2VjcmV0"}) {
    INFO(bad);
    CHECK(keys->Authenticate(bad).status().code() == absl::StatusCode::kUnauthenticated);
  }
  CHECK(keys->Authenticate("Bearer secret-c").status().code() ==
        absl::StatusCode::kPermissionDenied);
}

TEST_CASE("keys that cannot be meant") {
  CHECK(!ApiKeys::Create({{.key = "", .tenant = "a"}}).ok());
  CHECK(!ApiKeys::Create({{.key = "k", .tenant = ""}}).ok());
  CHECK(!ApiKeys::Create({{.key = "sha256:12", .tenant = "a"}}).ok());
  CHECK(!ApiKeys::Create({{.key = "k", .tenant = "a"}, {.key = "k", .tenant = "b"}}).ok());
}

TEST_CASE("any text of the key's header gives a caller or a refusal by name") {
  const auto keys = ApiKeys::Create({{.key = "good-key", .tenant = "t"}}).value();
  const std::string parts[] = {
      "Bearer", "bearer", "BEARER", " ", "  ", "\t", "good-key", "good-ke",
      "y",      "",       "Basic",  ",", ":",  "\0", "\xff",     std::string(5000, 'a')};
  for (uint64_t seed = 1; seed < 5000; ++seed) {
    SeededStream random(seed);
    std::string header;
    for (uint64_t i = random.Next() % 6; i > 0; --i)
      header += parts[random.Next() % std::size(parts)];
    INFO("seed " << seed << ": " << header);
    const absl::StatusOr<Caller> caller = keys.Authenticate(header);
    if (caller.ok()) {
      CHECK(caller->tenant == "t");
      CHECK(header.find("good-key") != std::string::npos);
    } else {
      CHECK(absl::IsUnauthenticated(caller.status()));
      CHECK_FALSE(caller.status().message().empty());
    }
  }
}

TEST_CASE("a budget of tokens: charged in full, settled by use, refilled by time") {
  Budgets budgets({.tokens_minute = 600}, {});
  const Nanoseconds start = Seconds(1000);
  CHECK(!budgets.Charge({"a"}, 400, start));
  const auto over = budgets.Charge({"a"}, 300, start);
  REQUIRE(over);
  CHECK(over->status.code() == absl::StatusCode::kResourceExhausted);
  CHECK(over->retry_after == Seconds(10));    // 100 tokens are missing, 10 come in a second
  CHECK(!budgets.Charge({"b"}, 300, start));  // another tenant has its own
  // Just before the hint is too early, at the hint it is not.
  CHECK(budgets.Charge({"a"}, 300, start + Seconds(10) - Milliseconds(200)));
  CHECK(!budgets.Charge({"a"}, 300, start + Seconds(10)));
  // The first one used only 50 of its 400: the rest comes back.
  budgets.Settle({"a"}, {400, 50}, start + Seconds(10));
  CHECK(!budgets.Charge({"a"}, 350, start + Seconds(10)));
  CHECK(budgets.Charge({"a"}, 1, start + Seconds(10)));
}

TEST_CASE("what never fits says so instead of when") {
  Budgets budgets({.tokens_minute = 600}, {});
  const auto over = budgets.Charge({"a"}, 601, Seconds(1));
  REQUIRE(over);
  CHECK(over->retry_after == Nanoseconds(0));
}

TEST_CASE("requests a day, limits by tenant, and their headers") {
  Budgets budgets({}, {{"a", {.requests_day = 2, .tokens_minute = 60}}});
  const Nanoseconds now = Seconds(5);
  CHECK(!budgets.Charge({"free"}, 1'000'000'000, now));
  CHECK(budgets.Describe("free", now).empty());
  CHECK(!budgets.Charge({"a"}, 30, now));
  const auto headers = budgets.Describe("a", now);
  const auto value = [&](const std::string& name) {
    for (const auto& [key, text] : headers) {
      if (key == name) return text;
    }
    return std::string("missing");
  };
  CHECK(value("x-ratelimit-limit-requests-day") == "2");
  CHECK(value("x-ratelimit-remaining-requests-day") == "1");
  CHECK(value("x-ratelimit-reset-requests-day") == "43200");
  CHECK(value("x-ratelimit-limit-tokens-minute") == "60");
  CHECK(value("x-ratelimit-remaining-tokens-minute") == "30");
  CHECK(value("x-ratelimit-reset-tokens-minute") == "30");
  CHECK(!budgets.Charge({"a"}, 1, now));
  const auto over = budgets.Charge({"a"}, 1, now);
  REQUIRE(over);
  CHECK(over->retry_after == Seconds(43200));
}

TEST_CASE("law: in any minute a tenant uses at most its limit and what a full bucket held") {
  const uint64_t seed = 99;
  INFO("seed " << seed);
  SeededStream random(seed);
  Budgets budgets({.tokens_minute = 1000}, {});
  Nanoseconds now = Seconds(0);
  int64_t granted = 0;
  for (int i = 0; i < 5000; ++i) {
    now += Milliseconds(static_cast<int64_t>(random.Next() % 100));
    const auto want = static_cast<int64_t>(random.Next() % 300);
    if (budgets.Charge({"t"}, want, now)) continue;
    const auto used = static_cast<int64_t>(random.UniformAt(i) * static_cast<double>(want));
    budgets.Settle({"t"}, {want, used}, now);
    granted += used;
    CHECK(granted <= 1000 + static_cast<int64_t>(ToSeconds(now) / 60 * 1000) + 1);
  }
  CHECK(granted > 1000);
}

TEST_CASE("keys are replaced under their readers, and expire") {
  ApiKeys keys;
  const ApiKeys copy = keys;
  REQUIRE(keys.Replace({{.key = "k", .tenant = "a", .id = "key_1", .expires_us = 100}}).ok());
  CHECK(copy.Authenticate("Bearer k", 99)->key_id == "key_1");
  CHECK(absl::IsUnauthenticated(copy.Authenticate("Bearer k", 100).status()));
  CHECK_FALSE(keys.Replace({{.key = "", .tenant = "a"}}).ok());
  CHECK(copy.Authenticate("Bearer k", 99).ok());  // as before
  REQUIRE(keys.Replace({{.key = "sha256:" + DigestHex("other"), .tenant = "b"}}).ok());
  CHECK(absl::IsUnauthenticated(copy.Authenticate("Bearer k", 1).status()));
  CHECK(copy.Authenticate("Bearer other", 1)->tenant == "b");
}

TEST_CASE("a project uses at most its share, and the tenant's other projects the rest") {
  Budgets budgets({}, {});
  budgets.SetLimits({{"t", {.tokens_minute = 1000, .concurrent = 4}}}, {{{"t", "search"}, 250}});
  const Nanoseconds now = Seconds(5);
  CHECK_FALSE(budgets.Charge({"t", "search"}, 200, now));
  const auto over = budgets.Charge({"t", "search"}, 60, now);  // 50 of 250 are left, and no slot
  REQUIRE(over);
  CHECK(over->status.message().find("project's share") != absl::string_view::npos);
  CHECK_FALSE(budgets.Charge({"t", "chat"}, 800, now));  // what was refused took nothing
  CHECK(budgets.Charge({"t", "chat"}, 1, now));
  budgets.Settle({"t", "search"}, {200, 0}, now);
  CHECK_FALSE(budgets.Charge({"t", "search"}, 200, now));
  CHECK_FALSE(budgets.Charge({"other", "search"}, 100'000, now));
}

TEST_CASE("limits change while a server runs, and requests in flight are limited") {
  Budgets budgets({}, {});
  const Nanoseconds now = Seconds(5);
  CHECK_FALSE(budgets.Charge({"t"}, 10, now));
  budgets.SetLimits({{"t", {.concurrent = 2}}});
  CHECK_FALSE(budgets.Charge({"t"}, 10, now));
  const auto over = budgets.Charge({"t"}, 10, now);
  REQUIRE(over);
  CHECK(absl::IsResourceExhausted(over->status));
  CHECK(over->retry_after > Nanoseconds(0));
  CHECK_FALSE(budgets.Charge({"other"}, 10, now));
  budgets.Settle({"t"}, {10, 5}, now);
  CHECK_FALSE(budgets.Charge({"t"}, 10, now));
  budgets.SetLimits({{"t", {.requests_day = 1}}});
  CHECK_FALSE(budgets.Charge({"t"}, 10, now));
  CHECK(budgets.Charge({"t"}, 10, now));
  budgets.SetOverSoftLimit({"t"});
  CHECK(budgets.Describe("t", now).back().first == "x-waferline-spend");
  CHECK(budgets.Describe("other", now).empty());
}

}  // namespace waferline::tenancy
