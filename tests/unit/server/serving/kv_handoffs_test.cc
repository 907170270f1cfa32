// Which leg a router asks for, and what of another server's is taken.
#include "server/serving/kv_handoffs.h"

#include <catch2/catch.hpp>

namespace waferline::serving {
namespace {

constexpr int64_t kNow = 1'000'000;

ValidRequest Request(uint32_t max_tokens = 1) {
  ValidRequest request;
  request.request_id = "r";
  request.model = "m";
  request.tenant = "t";
  request.prompt = std::make_shared<const std::vector<TokenId>>(std::vector<TokenId>{1, 2, 3});
  request.max_tokens = max_tokens;
  return request;
}

KvHandoffs With(KvHandoffs::Settings settings) {
  settings.engine_id = "here";
  if (settings.key.empty()) settings.key = "0123456789abcdef";
  return KvHandoffs(settings);
}

const KvParams kPrefill{{"do_remote_decode", "true"}};

KvParams HandedOver() {
  ValidRequest request = Request();
  const auto handed = With({}).Apply(kPrefill, kNow, &request);
  REQUIRE(handed.ok());
  REQUIRE(request.leg == KvLeg::kPrefill);
  return *handed;
}

absl::Status Take(const KvParams& params, ValidRequest request, int64_t now = kNow,
                  const KvHandoffs::Settings& settings = {}) {
  const auto handed = With(settings).Apply(params, now, &request);
  if (!handed.ok()) return handed.status();
  CHECK(handed->empty());
  CHECK(request.leg == KvLeg::kDecode);
  return absl::OkStatus();
}

TEST_CASE("what one server hands over another one with its key takes") {
  const KvParams handed = HandedOver();
  CHECK(handed.at("do_remote_prefill") == "true");
  CHECK(handed.at("remote_engine_id") == "here");
  CHECK(handed.at("remote_num_tokens") == "3");
  CHECK(Take(handed, Request(20)).ok());
}

TEST_CASE("nothing asked is a whole request") {
  ValidRequest request = Request(9);
  CHECK(With({}).Apply({}, kNow, &request)->empty());
  CHECK(KvHandoffs::None()->Apply({}, kNow, &request)->empty());
  CHECK(request.leg == KvLeg::kWhole);
}

TEST_CASE("only what was computed is taken") {
  const KvParams handed = HandedOver();
  ValidRequest other = Request(20);
  other.prompt = std::make_shared<const std::vector<TokenId>>(std::vector<TokenId>{1, 2, 4});
  CHECK(absl::IsFailedPrecondition(Take(handed, other)));
  other = Request(20);
  other.tenant = "u";
  CHECK(absl::IsFailedPrecondition(Take(handed, other)));
  other = Request(20);
  other.model = "n";
  CHECK(absl::IsFailedPrecondition(Take(handed, other)));
  CHECK(absl::IsFailedPrecondition(Take(handed, Request(20), kNow, {.weights = {{"m", 7}}})));
  CHECK(Take(handed, Request(20), kNow, {.weights = {{"n", 7}}}).ok());
  for (const char* field : {"expires_unix_s", "computed_unix_s"}) {
    KvParams later = handed;
    later[field] = "9999999999";
    CHECK(absl::IsFailedPrecondition(Take(later, Request(20))));
  }
  CHECK(absl::IsFailedPrecondition(Take(handed, Request(20), kNow, {.key = "another key of 16"})));
  CHECK(absl::IsFailedPrecondition(Take({{"do_remote_prefill", "true"}}, Request(20))));
}

TEST_CASE("nothing is taken that is not read") {
  KvParams handed = HandedOver();
  handed["remote_num_tokens"] = "4";
  CHECK(absl::IsFailedPrecondition(Take(handed, Request(20))));
  handed = HandedOver();
  handed["remote_block_ids"] = "[1]";
  const absl::Status more = Take(handed, Request(20));
  CHECK(absl::IsInvalidArgument(more));
  CHECK(std::string(more.message()).find("'remote_block_ids'") != std::string::npos);
  ValidRequest request = Request();
  KvParams asked = kPrefill;
  asked["remote_host"] = "h";
  CHECK(absl::IsInvalidArgument(With({}).Apply(asked, kNow, &request).status()));
  CHECK(request.leg == KvLeg::kWhole);
}

TEST_CASE("a prompt is kept for a while") {
  CHECK(Take(HandedOver(), Request(20), kNow + 60).ok());
  const absl::Status late = Take(HandedOver(), Request(20), kNow + 61);
  CHECK(absl::IsFailedPrecondition(late));
  CHECK(std::string(late.message()).find("kept until 1000060") != std::string::npos);
}

TEST_CASE("a server that was restarted takes nothing that the one before it may have taken") {
  // Its start in each second around the moment of the prefill, whose clock is up to a second off:
  // whatever the server before could have taken until then is refused from then on.
  for (const int64_t skew : {-1, 0, 1, 2}) {
    ValidRequest request = Request();
    const KvParams handed = *With({}).Apply(kPrefill, kNow + skew, &request);
    for (int64_t start = kNow - 5; start <= kNow + 5; ++start) {
      const bool taken_before = start >= kNow && Take(handed, Request(20), start).ok();
      const absl::Status now = Take(handed, Request(20), start + 5, {.started_unix_s = start});
      CAPTURE(skew, start, taken_before, now);
      CHECK((!taken_before || absl::IsFailedPrecondition(now)));
      // And what was computed since it opened its ports is taken.
      if (skew == 0 && kNow >= start + 2) CHECK(now.ok());
    }
  }
  const absl::Status before = Take(HandedOver(), Request(20), kNow + 5, {.started_unix_s = kNow});
  CHECK(std::string(before.message()).find("takes what was computed from 1000002 on") !=
        std::string::npos);
}

TEST_CASE("what was taken stays taken when the wall clock goes back") {
  const KvHandoffs prefill = With({.keep_seconds = 60});
  const auto hand_over = [&prefill](int64_t at) {
    ValidRequest request = Request();
    return *prefill.Apply(kPrefill, at, &request);
  };
  const auto take = [](const KvHandoffs& decode, const KvParams& handed, int64_t now) {
    ValidRequest request = Request(20);
    return decode.Apply(handed, now, &request).status();
  };
  // While it runs: the first is forgotten when it has expired.
  const KvHandoffs runs = With({});
  const KvParams first = hand_over(kNow);
  REQUIRE(take(runs, first, kNow).ok());
  REQUIRE(take(runs, hand_over(kNow + 61), kNow + 61).ok());
  const absl::Status back = take(runs, first, kNow + 5);
  CHECK(absl::IsFailedPrecondition(back));
  CHECK(std::string(back.message()).find("its clock went back") != std::string::npos);
  CHECK(take(runs, hand_over(kNow + 5), kNow + 5).ok());  // which expires later

  // Over a restart: an hour back, and what was taken before is refused; what comes after is taken.
  int64_t kept = 0;
  const auto keep = [&kept](int64_t second) {
    kept = second;
    return absl::OkStatus();
  };
  const KvParams used = hand_over(kNow);
  REQUIRE(take(With({.keep = keep}), used, kNow).ok());
  CHECK(kept == kNow);
  CHECK(take(With({.started_unix_s = kNow - 3600}), used, kNow).ok());  // what has no file takes it
  const KvHandoffs::Settings again{
      .started_unix_s = kNow - 3600, .taken_unix_s = kept, .keep = keep};
  CHECK(With(again).takes_from_unix_s() == kNow + 1);
  CHECK(absl::IsFailedPrecondition(take(With(again), used, kNow)));
  CHECK(take(With(again), hand_over(kNow + 1), kNow + 1).ok());
}

TEST_CASE("what is taken is kept first, once a second, and not taken if it cannot be") {
  std::vector<int64_t> kept;
  absl::Status answer;
  const KvHandoffs decode = With({.keep = [&](int64_t second) {
    kept.push_back(second);
    return answer;
  }});
  const KvHandoffs prefill = With({});
  const auto pass = [&](int64_t at) {
    ValidRequest request = Request(), taken = Request(20);
    const KvParams handed = *prefill.Apply(kPrefill, at, &request);
    return decode.Apply(handed, kNow, &taken).status();
  };
  for (int i = 0; i < 3; ++i) CHECK(pass(kNow - 1).ok());
  answer = absl::UnavailableError("cannot write F: No space left on device");
  CHECK(absl::IsUnavailable(pass(kNow)));
  CHECK(pass(kNow - 1).ok());
  answer = absl::OkStatus();
  CHECK(pass(kNow).ok());
  CHECK(kept == std::vector<int64_t>{kNow - 1, kNow, kNow});
}

TEST_CASE("a prompt from a clock far ahead is refused") {
  CHECK(Take(HandedOver(), Request(20), kNow - 1).ok());
  const absl::Status ahead = Take(HandedOver(), Request(20), kNow - 2);
  CHECK(absl::IsFailedPrecondition(ahead));
  CHECK(std::string(ahead.message()).find("may differ by 1 s") != std::string::npos);
}

TEST_CASE("what is handed over is good for one request") {
  const KvHandoffs prefill = With({}), decode = With({}), other = With({});
  const auto hand_over = [&prefill] {
    ValidRequest request = Request();
    return *prefill.Apply(kPrefill, kNow, &request);
  };
  const auto take = [](const KvHandoffs& at, const KvParams& handed, int64_t now) {
    ValidRequest request = Request(20);
    return at.Apply(handed, now, &request).status();
  };
  const KvParams first = hand_over(), second = hand_over();  // of the same prompt and second
  CHECK(take(decode, first, kNow).ok());
  const absl::Status again = take(decode, first, kNow + 60);
  CHECK(absl::IsFailedPrecondition(again));
  CHECK(std::string(again.message()).find("taken before") != std::string::npos);
  CHECK(take(decode, second, kNow).ok());
  CHECK(take(other, first, kNow).ok());  // each server remembers its own

  // As many as are remembered; when they have expired there is room again.
  for (size_t i = 2; i < KvHandoffs::kMaxTaken; ++i) REQUIRE(take(decode, hand_over(), kNow).ok());
  CHECK(absl::IsResourceExhausted(take(decode, hand_over(), kNow)));
  ValidRequest late = Request();
  const KvParams later = *prefill.Apply(kPrefill, kNow + 61, &late);
  CHECK(take(decode, later, kNow + 61).ok());
}

TEST_CASE("legs that are not done here are refused") {
  ValidRequest request = Request();
  CHECK(absl::IsInvalidArgument(KvHandoffs::None()->Apply(kPrefill, kNow, &request).status()));
  const KvHandoffs decodes = With({.computes_prompts = false});
  CHECK(absl::IsInvalidArgument(decodes.Apply(kPrefill, kNow, &request).status()));
  CHECK(absl::IsInvalidArgument(Take(HandedOver(), Request(20), kNow, {.decodes = false})));
  const KvParams both{{"do_remote_decode", "true"}, {"do_remote_prefill", "true"}};
  CHECK(absl::IsInvalidArgument(With({}).Apply(both, kNow, &request).status()));
  const KvParams neither{{"remote_engine_id", "x"}};
  CHECK(absl::IsInvalidArgument(With({}).Apply(neither, kNow, &request).status()));
  ValidRequest longer = Request(2);
  CHECK(absl::IsInvalidArgument(With({}).Apply(kPrefill, kNow, &longer).status()));
  CHECK(request.leg == KvLeg::kWhole);
}

}  // namespace
}  // namespace waferline::serving
