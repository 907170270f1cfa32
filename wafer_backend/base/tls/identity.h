// Who a peer is: the SPIFFE ID that its certificate carries as its only URI name.
//
//   spiffe://DOMAIN/cloud/CLOUD[/cell/CELL]/frontend
//   spiffe://DOMAIN/cloud/CLOUD[/cell/CELL]/worker/NAME
//   spiffe://DOMAIN/cloud/CLOUD[/cell/CELL]/client/NAME
//   spiffe://DOMAIN/cloud/CLOUD[/cell/CELL]/operator
//
// Source of the form of an ID (characters, length): SPIFFE-ID, section 2. Pure; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace waferline::tls {

enum class Role : uint8_t { kFrontend, kWorker, kOperator, kClient };
std::string_view Name(Role role);

struct Identity {
  std::string uri;
  std::string trust_domain;
  std::string cloud;
  std::string cell;  // "" if it names none
  Role role = Role::kClient;
  std::string name;  // of a worker or client
};

// At most 2,048 bytes.
std::string UriOf(const Identity& identity);
// InvalidArgument: not an ID of that form; says which part.
absl::StatusOr<Identity> ParseIdentity(std::string_view uri);
// Letters, digits, '.', '_' and '-', not empty; no capitals in a trust domain.
bool IsTrustDomain(std::string_view text);
bool IsPathSegment(std::string_view text);

}  // namespace waferline::tls
