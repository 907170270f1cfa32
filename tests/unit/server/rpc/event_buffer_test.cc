#include "server/rpc/event_buffer.h"

#include <catch2/catch.hpp>

namespace waferline::rpc {
namespace {

v1::Token TokenOf(int id) {
  v1::Token token;
  token.set_id(id);
  return token;
}

TEST_CASE("events leave in order, tokens that wait together in one message") {
  EventBuffer buffer(8);
  v1::GenerateResponse message;
  CHECK_FALSE(buffer.Next(&message));
  buffer.Admit({});
  buffer.PromptLogprobs({});
  for (int i = 0; i < 3; ++i) CHECK(buffer.Add(TokenOf(i)));
  buffer.Finish({});
  REQUIRE(buffer.Next(&message));
  CHECK(message.has_admitted());
  REQUIRE(buffer.Next(&message));
  CHECK(message.has_prompt_logprobs());
  REQUIRE(buffer.Next(&message));
  REQUIRE(message.tokens().tokens_size() == 3);
  for (int i = 0; i < 3; ++i) CHECK(message.tokens().tokens(i).id() == i);
  REQUIRE(buffer.Next(&message));
  CHECK(message.has_finished());
  CHECK_FALSE(buffer.Next(&message));
  CHECK(buffer.empty());
}

TEST_CASE("a full buffer says so, keeps the token, and has room again at half") {
  EventBuffer buffer(4);
  CHECK(buffer.Add(TokenOf(0)));
  CHECK(buffer.Add(TokenOf(1)));
  CHECK(buffer.Add(TokenOf(2)));
  CHECK_FALSE(buffer.Add(TokenOf(3)));
  CHECK_FALSE(buffer.Add(TokenOf(4)));
  CHECK(buffer.waiting_tokens() == 5);
  CHECK_FALSE(buffer.has_room());
  v1::GenerateResponse message;
  REQUIRE(buffer.Next(&message));
  CHECK(message.tokens().tokens_size() == 5);
  CHECK(buffer.has_room());
}

TEST_CASE("a message holds a bounded number of tokens, and none is lost or swapped") {
  EventBuffer buffer(10'000);
  const int count = static_cast<int>(EventBuffer::kTokensPerMessage) * 2 + 5;
  for (int i = 0; i < count; ++i) buffer.Add(TokenOf(i));
  v1::GenerateResponse message;
  int next = 0;
  while (buffer.Next(&message)) {
    CHECK(message.tokens().tokens_size() <= static_cast<int>(EventBuffer::kTokensPerMessage));
    for (const auto& token : message.tokens().tokens()) CHECK(token.id() == next++);
  }
  CHECK(next == count);
}

}  // namespace
}  // namespace waferline::rpc
