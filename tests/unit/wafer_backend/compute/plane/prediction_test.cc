// What a client predicts is followed along the answer, and guessed by; it changes no value.
#include "wafer_backend/api/prediction.h"

#include <catch2/catch.hpp>

#include "tests/unit/wafer_backend/compute/plane/plane_client.h"
#include "wafer_backend/compute/plane/compute_plane.h"

namespace waferline::plane {
namespace {

using Tokens = std::vector<TokenId>;

PredictionCursor Followed(const Tokens& predicted, const Tokens& answer) {
  PredictionCursor cursor(std::make_shared<const Prediction>(predicted));
  for (const TokenId id : answer) cursor.Append(id);
  return cursor;
}

Tokens Expected(const PredictionCursor& cursor, size_t count) {
  const auto expected = cursor.Expected(count);
  return {expected.begin(), expected.end()};
}

TEST_CASE("an answer is followed through what it changes") {
  const Tokens predicted = {1, 2, 3, 4, 5, 6, 7, 8};
  CHECK(Expected(Followed(predicted, {}), 3) == Tokens{1, 2, 3});
  CHECK(Expected(Followed(predicted, {1, 2}), 99) == Tokens{3, 4, 5, 6, 7, 8});
  // Another token, one more, and three fewer: two that come as predicted lead back.
  CHECK(Expected(Followed(predicted, {1, 9, 3, 4}), 2) == Tokens{5, 6});
  CHECK(Expected(Followed(predicted, {1, 2, 9, 3}), 2) == Tokens{4, 5});
  CHECK(Expected(Followed(predicted, {1, 5, 6}), 2) == Tokens{7, 8});
  CHECK(Expected(Followed(predicted, predicted), 2).empty());
  CHECK(Followed(predicted, predicted).accepted() == 8);
  CHECK(Followed(predicted, {1, 9, 3, 4, 5}).accepted() == 2);
  CHECK(Followed({}, {1, 2}).accepted() == 0);
}

TEST_CASE("accepted and rejected tokens are those of the prediction, each once") {
  SeededStream random(3);
  for (int round = 0; round < 500; ++round) {
    Tokens predicted, answer;
    for (uint64_t i = random.Next() % 40; i > 0; --i) {
      predicted.push_back(static_cast<TokenId>(random.Next() % 4));
    }
    for (uint64_t i = random.Next() % 80; i > 0; --i) {
      answer.push_back(static_cast<TokenId>(random.Next() % 4));
    }
    const PredictionCursor cursor = Followed(predicted, answer);
    REQUIRE(cursor.accepted() <= std::min(predicted.size(), answer.size()));
    REQUIRE(cursor.accepted() + cursor.rejected() == predicted.size());
    const Tokens left = Expected(cursor, predicted.size());
    REQUIRE(std::equal(left.rbegin(), left.rend(), predicted.rbegin()));
  }
}

TEST_CASE(
    "streams are the same with predictions, right or wrong, and take fewer steps with right ones") {
  test::RandomModelSpec model;
  model.layers = 2;
  model.dtype = kernels::DType::kQ8_0;
  PlaneOptions options = OneShard(OpenRandom(model));
  SeededStream random(5);
  std::vector<SequenceSpec> specs = RandomSpecs(&random, 4, 40);
  TestWaker waker;
  auto plain = ComputePlane::Create(options, &waker);
  REQUIRE(plain.ok());
  const auto want = RunAll(plain->get(), &waker, specs, 1);
  CHECK((*plain)->counters().drafted_tokens == 0);
  for (const bool right : {true, false}) {
    for (size_t i = 0; i < specs.size(); ++i) {
      Tokens predicted;
      for (const TokenValue& value : want[i]) {
        predicted.push_back(right ? value.id : (value.id + 1) % 256);
      }
      specs[i].prediction = std::make_shared<const Prediction>(predicted);
    }
    auto plane = ComputePlane::Create(options, &waker);
    REQUIRE(plane.ok());
    const auto got = RunAll(plane->get(), &waker, specs, 100);
    for (size_t i = 0; i < specs.size(); ++i) REQUIRE(SameValues(got[i], want[i]));
    const PlaneCounters counters = (*plane)->counters();
    CHECK(counters.drafted_tokens > 0);
    if (right) CHECK(counters.decode_steps < (*plain)->counters().decode_steps);
    CHECK((counters.accepted_tokens > counters.drafted_tokens / 2) == right);
  }
}

}  // namespace
}  // namespace waferline::plane
