// Membership in a YAML file that an operator writes, for clouds without etcd. It is read again
// within two seconds of a change; a faulty file is an error and what was known stays.
//
//   workers:
//     - {id: shard-0, role: shard, endpoint: "10.0.0.1:7101", layers: "0:3", zone: a}
//     - {id: prefill-0, role: prefill, endpoint: "10.0.0.1:7100"}
//
// There are no elections: each front end that stands for a leadership has it, with epoch 0, and
// every claim is granted. That two front ends do not share a worker is then the workers' to refuse.
// Announce has no effect, since the file is the list.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "wafer_backend/membership/registry.h"

namespace waferline::registry {

// What the file says. `name` goes before errors.
absl::StatusOr<membership::Snapshot> ParseMembers(const std::string& name, std::string_view yaml);

// The same of a file, which must be a regular one.
absl::StatusOr<membership::Snapshot> ReadMembers(const std::string& path);

// Errors of ReadMembers now; later ones are what status() says.
absl::StatusOr<std::unique_ptr<membership::Registry>> OpenFileRegistry(const std::string& path);

}  // namespace waferline::registry
