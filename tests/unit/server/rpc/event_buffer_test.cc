#include "server/rpc/event_buffer.h"

#include <catch2/catch.hpp>

namespace waferline::rpc {
namespace {

// True: there is room for another.
bool Add(EventBuffer* buffer, int id) {
  v1::Token* token = buffer->Add();
  CHECK(token->text().empty());  // whatever the last message held
  token->set_id(id);
  token->set_text("text");
  return !buffer->full();
}

TEST_CASE("events leave in order, tokens that wait together in one message") {
  EventBuffer buffer(8);
  v1::GenerateResponse message;
  CHECK_FALSE(buffer.Next(&message));
  buffer.Admit({});
  buffer.PromptLogprobs({});
  for (int i = 0; i < 3; ++i) CHECK(Add(&buffer, i));
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
  CHECK(Add(&buffer, 0));
  CHECK(Add(&buffer, 1));
  CHECK(Add(&buffer, 2));
  CHECK_FALSE(Add(&buffer, 3));
  CHECK_FALSE(Add(&buffer, 4));
  CHECK(buffer.waiting_tokens() == 5);
  CHECK_FALSE(buffer.has_room());
  v1::GenerateResponse message;
  REQUIRE(buffer.Next(&message));
  CHECK(message.tokens().tokens_size() == 5);
  CHECK(buffer.has_room());
  for (int id = 5; id < 8; ++id) Add(&buffer, id);
  REQUIRE(buffer.Next(&message));
  REQUIRE(message.tokens().tokens_size() == 3);
  for (int i = 0; i < 3; ++i) CHECK(message.tokens().tokens(i).id() == 5 + i);
}

TEST_CASE("a message holds a bounded number of tokens, and none is lost or swapped") {
  EventBuffer buffer(10'000);
  const int count = static_cast<int>(EventBuffer::kTokensPerMessage) * 2 + 5;
  for (int i = 0; i < count; ++i) Add(&buffer, i);
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
