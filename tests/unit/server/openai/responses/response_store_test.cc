// What is kept of responses: by tenant, bounded in number and bytes, the oldest go first.
#include "server/openai/responses/response_store.h"

#include <catch2/catch.hpp>

namespace waferline::openai {
namespace {

StoredResponse Of(const std::string& document) { return {.document = document, .messages = {}}; }

}  // namespace

TEST_CASE("a response is its tenant's, until it is deleted or replaced") {
  ResponseStore store;
  store.Put({"a", "resp_1"}, Of("one"));
  store.Put({"b", "resp_1"}, Of("other"));
  REQUIRE(store.Find({"a", "resp_1"}).ok());
  CHECK((*store.Find({"a", "resp_1"}))->document == "one");
  CHECK((*store.Find({"b", "resp_1"}))->document == "other");
  CHECK(absl::IsNotFound(store.Find({"c", "resp_1"}).status()));
  store.Put({"a", "resp_1"}, Of("two"));
  CHECK((*store.Find({"a", "resp_1"}))->document == "two");
  CHECK(store.size() == 2);
  CHECK(store.Erase({"a", "resp_1"}).ok());
  CHECK(absl::IsNotFound(store.Erase({"a", "resp_1"})));
  CHECK(store.Erase({"b", "resp_1"}).ok());
  CHECK(store.bytes() == 0);
}

TEST_CASE("the oldest go when there are too many") {
  ResponseStore store;
  for (size_t i = 0; i < ResponseStore::kMaxResponses + 2; ++i) {
    store.Put({"", std::to_string(i)}, Of("x"));
  }
  CHECK(store.size() == ResponseStore::kMaxResponses);
  CHECK(!store.Find({"", "1"}).ok());
  CHECK(store.Find({"", "2"}).ok());
}

TEST_CASE("the oldest go when they take too much memory") {
  ResponseStore store;
  const std::string quarter(ResponseStore::kMaxBytes / 4, 'x');
  for (int i = 0; i < 5; ++i) store.Put({"", std::to_string(i)}, Of(quarter));
  CHECK(store.bytes() <= ResponseStore::kMaxBytes);
  CHECK(!store.Find({"", "1"}).ok());
  CHECK(store.Find({"", "4"}).ok());
  store.Put({"", "huge"}, Of(std::string(ResponseStore::kMaxBytes + 1, 'x')));
  CHECK(!store.Find({"", "huge"}).ok());
  CHECK(store.Find({"", "4"}).ok());
}

}  // namespace waferline::openai
