#include "server/registry/entries.h"

#include <catch2/catch.hpp>

#include "server/registry/open_registry.h"

namespace waferline::registry {
namespace {

using membership::Snapshot;

TEST_CASE("What is written is read again") {
  const membership::Worker worker{.id = "w-1",
                                  .incarnation = 0xfedcba9876543210,
                                  .role = membership::Role::kShard,
                                  .endpoint = "10.0.0.1:7101",
                                  .fingerprint = 0x1234,
                                  .layers = membership::Layers{3, 9},
                                  .zone = "a",
                                  .epoch = 5,
                                  .version = "0.2"};
  Snapshot snapshot;
  REQUIRE(AddEntry(WorkerKey("w-1"), {ValueOf(worker)}, &snapshot).ok());
  REQUIRE(AddEntry(ClaimKey("w-1"), {ValueOf(membership::Claim{"demo", 9})}, &snapshot).ok());
  REQUIRE(AddEntry(LeaderKey("demo"),
                   {.value = ValueOf(membership::Leader{.id = "f", .http = "h:80"}), .created = 9},
                   &snapshot)
              .ok());
  CHECK(snapshot.workers.at("w-1") == worker);
  CHECK(snapshot.claims.at("w-1") == membership::Claim{"demo", 9});
  CHECK(snapshot.leaders.at("demo") ==
        membership::Leader{.id = "f", .http = "h:80", .epoch = 9, .since = 9});
  // The registry was restored: it counts revisions from a smaller one.
  membership::Leader raised{.id = "f", .above = 30};
  REQUIRE(AddEntry(LeaderKey("demo"), {.value = ValueOf(raised), .created = 9}, &snapshot).ok());
  CHECK(snapshot.leaders.at("demo").epoch == 31);
  REQUIRE(AddEntry(LeaderKey("demo"), {.value = ValueOf(raised), .created = 40}, &snapshot).ok());
  CHECK(snapshot.leaders.at("demo").epoch == 40);
  RemoveEntry(WorkerKey("w-1"), &snapshot);
  RemoveEntry(ClaimKey("w-1"), &snapshot);
  RemoveEntry(LeaderKey("demo"), &snapshot);
  CHECK(snapshot == Snapshot{});
}

TEST_CASE("A faulty entry is named and changes nothing; an unknown one is left alone") {
  const std::pair<const char*, const char*> faulty[] = {
      {"", "is not a JSON object"},
      {"[1]", "is not a JSON object"},
      {R"({"role":"shard"})", "incarnation"},
      {R"({"incarnation":"xyz","role":"shard","endpoint":"h:1","fingerprint":"0"})", "hexadecimal"},
      {R"({"incarnation":"1","role":"cook","endpoint":"h:1","fingerprint":"0"})",
       "must be shard or prefill"},
      {R"({"incarnation":"1","role":"shard","endpoint":"h:1","fingerprint":"0","layers":"5:2"})",
       "FIRST:END"},
      {R"({"incarnation":"1","role":"shard","endpoint":"h:1","fingerprint":"0",)"
       R"("epoch":"7fffffffffffffff"})",
       "must be below"}};
  for (const auto& [value, says] : faulty) {
    Snapshot snapshot;
    const absl::Status status = AddEntry("workers/w", {value}, &snapshot);
    INFO(status.message());
    CHECK(std::string(status.message()).find(says) != std::string::npos);
    CHECK(snapshot == Snapshot{});
  }
  Snapshot snapshot;
  CHECK_FALSE(AddEntry("workers/a/b", {ValueOf(membership::Worker{})}, &snapshot).ok());
  const std::string large = "{\"id\":\"" + std::string(membership::kMaxValueBytes, 'x') + "\"}";
  CHECK_FALSE(AddEntry("cells/a/leader", {large}, &snapshot).ok());
  CHECK(AddEntry("cells/a/chain", {"?"}, &snapshot).ok());
  CHECK(snapshot == Snapshot{});
}

TEST_CASE("An address says which registry it is") {
  CHECK(ParseAddress("etcd=a:1,b:2")->endpoints == std::vector<std::string>{"a:1", "b:2"});
  CHECK(ParseAddress("file=f.yaml")->file == "f.yaml");
  CHECK_FALSE(ParseAddress("zookeeper=a:1").ok());
  for (const char* wrong : {"etcd=https://a:1,b:2", "etcd=a", "etcd="}) {
    const auto address = ParseAddress(wrong);
    REQUIRE(address.ok());
    CHECK(absl::IsInvalidArgument(OpenRegistry(*address, nullptr).status()));
  }
  RegistryAddress address{.endpoints = {"127.0.0.1:1"}, .prefix = "waferline"};
  CHECK(absl::IsInvalidArgument(OpenRegistry(address, nullptr).status()));
  address = {.endpoints = {"127.0.0.1:1"}, .cloud = "a/b"};
  CHECK(absl::IsInvalidArgument(OpenRegistry(address, nullptr).status()));
}

}  // namespace
}  // namespace waferline::registry
