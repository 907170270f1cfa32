#include "wafer_backend/base/tls/roles.h"

#include <algorithm>
#include <array>
#include <utility>

namespace waferline::tls {
namespace {

// Deny by default: these pairs and no others.
constexpr std::array<std::pair<Role, Door>, 14> kAllowed = {{
    {Role::kClient, Door::kHttp},
    {Role::kClient, Door::kGrpc},
    {Role::kFrontend, Door::kHttp},  // of another cell
    {Role::kFrontend, Door::kGrpc},
    {Role::kOperator, Door::kHttp},
    {Role::kOperator, Door::kGrpc},
    {Role::kOperator, Door::kOperators},
    {Role::kFrontend, Door::kPrefill},
    {Role::kFrontend, Door::kShard},
    {Role::kWorker, Door::kShard},  // its neighbour; a prefill worker that brings pages
    {Role::kFrontend, Door::kAttention},
    {Role::kWorker, Door::kAttention},    // the same
    {Role::kWorker, Door::kExperts},      // a shard asks for its experts
    {Role::kWorker, Door::kFeedForward},  // an attention worker for its feed-forward parts
}};

}  // namespace

std::string_view Name(Door door) {
  static constexpr std::array<std::string_view, 8> kNames = {
      "http", "grpc", "operators", "prefill", "shard", "attention", "experts", "ffn"};
  return kNames[static_cast<size_t>(door)];
}

bool MayCall(Role caller, Door door) {
  const std::pair<Role, Door> asked = {caller, door};
  return std::find(kAllowed.begin(), kAllowed.end(), asked) != kAllowed.end();
}

bool MayAnswer(Role answering, Door door) {
  return door >= Door::kPrefill && answering == Role::kWorker;
}

}  // namespace waferline::tls
