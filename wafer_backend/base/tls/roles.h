// Which role may call which door: what is not listed is refused. Pure; any thread.
#pragma once

#include <cstdint>
#include <string_view>

#include "wafer_backend/base/tls/identity.h"

namespace waferline::tls {

// What listens: HTTP's and gRPC's port, operators' own port, and the links of workers.
enum class Door : uint8_t {
  kHttp,
  kGrpc,
  kOperators,
  kPrefill,
  kShard,
  kAttention,
  kExperts,
  kFeedForward
};
std::string_view Name(Door door);

bool MayCall(Role caller, Door door);
// Who may listen there, for the caller's check of whom it reached. Clients check the host
// name of kHttp, kGrpc and kOperators instead.
bool MayAnswer(Role answering, Door door);

}  // namespace waferline::tls
