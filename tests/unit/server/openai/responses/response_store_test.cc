// What is kept of responses: by tenant, bounded in number and bytes, the oldest go first.
#include "server/openai/responses/response_store.h"

#include <catch2/catch.hpp>
#include <map>

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

TEST_CASE("an archive has what memory has not, and loses what is deleted") {
  class Archive final : public ResponseArchive {
   public:
    void Keep(const ResponseKey& key, std::shared_ptr<const StoredResponse> response) override {
      kept[std::string(key.tenant) + "/" + std::string(key.id)] = *response;
    }
    absl::StatusOr<StoredResponse> Find(const ResponseKey& key) override {
      if (!status.ok()) return status;
      const auto found = kept.find(std::string(key.tenant) + "/" + std::string(key.id));
      if (found == kept.end()) return absl::NotFoundError("none");
      return found->second;
    }
    absl::Status Erase(const ResponseKey& key) override {
      const bool there = kept.erase(std::string(key.tenant) + "/" + std::string(key.id)) > 0;
      return there ? absl::OkStatus() : absl::NotFoundError("none");
    }
    std::map<std::string, StoredResponse> kept;
    absl::Status status;
  } archive;
  {
    ResponseStore store;
    store.UseArchive(&archive);
    store.Put({"a", "resp_1"}, Of("one"));
    store.Put({"a", "resp_2"}, Of("two"));
  }
  ResponseStore restarted;
  restarted.UseArchive(&archive);
  CHECK(restarted.Recent({"a", "resp_1"}) == nullptr);
  CHECK((*restarted.Find({"a", "resp_1"}))->document == "one");
  CHECK(absl::IsNotFound(restarted.Find({"b", "resp_1"}).status()));
  CHECK(restarted.Erase({"a", "resp_1"}).ok());
  CHECK(absl::IsNotFound(restarted.Erase({"a", "resp_1"})));
  CHECK(archive.kept.size() == 1);
  archive.status = absl::UnavailableError("locked");
  CHECK(absl::IsUnavailable(restarted.Find({"a", "resp_2"}).status()));
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
