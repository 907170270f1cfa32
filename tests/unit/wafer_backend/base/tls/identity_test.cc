#include "wafer_backend/base/tls/identity.h"

#include <catch2/catch.hpp>
#include <set>
#include <string>
#include <utility>

#include "wafer_backend/base/tls/roles.h"

namespace waferline::tls {
namespace {

TEST_CASE("an identity comes back as it was written") {
  for (const char* uri : {"spiffe://waferline.example/cloud/prod/cell/demo-0/frontend",
                          "spiffe://waferline.example/cloud/prod/worker/shard_1.a",
                          "spiffe://d/cloud/c/operator", "spiffe://d/cloud/c/client/router-7"}) {
    INFO(uri);
    const auto identity = ParseIdentity(uri);
    REQUIRE(identity.ok());
    CHECK(UriOf(*identity) == uri);
    CHECK(identity->uri == uri);
  }
  const auto worker = ParseIdentity("spiffe://d/cloud/c/cell/x/worker/w");
  CHECK(worker->role == Role::kWorker);
  CHECK(worker->trust_domain == "d");
  CHECK(worker->cloud == "c");
  CHECK(worker->cell == "x");
  CHECK(worker->name == "w");
}

TEST_CASE("what is not an identity is refused") {
  for (const std::string& uri :
       {std::string(), std::string("https://d/cloud/c/operator"), std::string("spiffe://"),
        std::string("spiffe://D/cloud/c/operator"), std::string("spiffe://d"),
        std::string("spiffe://d/operator"), std::string("spiffe://d/cloud/c"),
        std::string("spiffe://d/cloud/c/worker"), std::string("spiffe://d/cloud/c/worker/"),
        std::string("spiffe://d/cloud/c/operator/x"), std::string("spiffe://d/cloud/c/root"),
        std::string("spiffe://d/cloud/../operator"), std::string("spiffe://d//cloud/c/operator"),
        std::string("spiffe://d/cloud/c/worker/a%2fb"), std::string("spiffe://d/cloud/c/operator/"),
        "spiffe://d/cloud/c/client/" + std::string(3000, 'a')}) {
    INFO(uri);
    CHECK_FALSE(ParseIdentity(uri).ok());
  }
}

TEST_CASE("only the listed roles may call a door") {
  const std::set<std::pair<Role, Door>> allowed = {
      {Role::kClient, Door::kHttp},        {Role::kClient, Door::kGrpc},
      {Role::kFrontend, Door::kHttp},      {Role::kFrontend, Door::kGrpc},
      {Role::kOperator, Door::kHttp},      {Role::kOperator, Door::kGrpc},
      {Role::kOperator, Door::kOperators}, {Role::kFrontend, Door::kPrefill},
      {Role::kFrontend, Door::kShard},     {Role::kWorker, Door::kShard},
      {Role::kWorker, Door::kExperts},     {Role::kFrontend, Door::kAttention},
      {Role::kWorker, Door::kAttention},   {Role::kWorker, Door::kFeedForward}};
  for (const Role role : {Role::kFrontend, Role::kWorker, Role::kOperator, Role::kClient}) {
    for (const Door door : {Door::kHttp, Door::kGrpc, Door::kOperators, Door::kPrefill,
                            Door::kShard, Door::kAttention, Door::kExperts, Door::kFeedForward}) {
      INFO(Name(role) << " " << Name(door));
      CHECK(MayCall(role, door) == allowed.contains({role, door}));
      CHECK(MayAnswer(role, door) == (role == Role::kWorker && door >= Door::kPrefill));
    }
  }
}

}  // namespace
}  // namespace waferline::tls
