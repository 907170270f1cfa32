#include "server/registry/file_registry.h"

#include <stdlib.h>

#include <catch2/catch.hpp>
#include <filesystem>

#include "server/runtime/host.h"
#include "tests/support/temporary_folder.h"
#include "wafer_backend/base/files.h"

namespace waferline::registry {
namespace {

constexpr char kTwo[] =
    "workers:\n"
    "  - {id: s0, role: shard, endpoint: \"h:1\", layers: \"0:3\", zone: a}\n"
    "  - {id: p0, role: prefill, endpoint: \"h:2\"}\n";

TEST_CASE("Members are read from YAML, and every fault is named") {
  const auto members = ParseMembers("fleet.yaml", kTwo);
  REQUIRE(members.ok());
  CHECK(membership::TextOf(members->workers.at("s0").layers) == "0:3");
  CHECK(members->workers.at("p0").role == membership::Role::kPrefill);
  const auto faulty = ParseMembers(
      "fleet.yaml",
      "workers:\n  - {id: a/b, endpoint: x, layers: \"3:1\"}\n  - {id: c, role: cook}\n");
  const std::string said(faulty.status().message());
  for (const char* part : {"fleet.yaml:2: workers[0].id", "workers[0].layers", "workers[1].role",
                           "workers[1].endpoint"}) {
    INFO(said);
    CHECK(said.find(part) != std::string::npos);
  }
  CHECK_FALSE(ParseMembers("f", std::string(kTwo) + "  - {id: s0, endpoint: \"h:3\"}\n").ok());
}

TEST_CASE("A file is watched; a faulty one leaves what was known") {
  const test::TemporaryFolder folder;
  const std::string path = folder.File("fleet.yaml");
  CHECK(absl::IsNotFound(OpenFileRegistry(path).status()));
  REQUIRE(WriteFile(path, kTwo).ok());
  auto registry = OpenFileRegistry(path);
  REQUIRE(registry.ok());
  (*registry)->Campaign("demo", {.id = "front"});
  CHECK((*registry)->snapshot()->workers.size() == 2);
  CHECK((*registry)->snapshot()->leaders.at("demo").epoch == 0);

  REQUIRE(WriteFile(path, std::string(kTwo) + "  - {id: s1, endpoint: \"h:3\"}\n").ok());
  CHECK(
      runtime::WaitFor([&] { return (*registry)->snapshot()->workers.size() == 3; }, Seconds(10)));
  REQUIRE(WriteFile(path, "workers: nonsense\n").ok());
  CHECK(runtime::WaitFor([&] { return !(*registry)->status().ok(); }, Seconds(10)));
  CHECK((*registry)->snapshot()->workers.size() == 3);
}

}  // namespace
}  // namespace waferline::registry
