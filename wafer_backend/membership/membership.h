// Who belongs to a cloud of several hosts: values only, no I/O.
//
// A cell is one front end with the workers that compute for it. Several front ends may have the
// name of one cell: one leads, the others stand by. A worker is claimed by one cell at a time.
//
// What is here says who should work with whom; it may be old. That a worker has one owner at a time
// is kept by the worker itself, which refuses a driver whose Fence is smaller than one it has seen.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "absl/status/statusor.h"

namespace waferline::membership {

inline constexpr size_t kMaxWorkers = 10'000;     // of a cloud
inline constexpr size_t kMaxValueBytes = 65'536;  // of one entry
inline constexpr size_t kMaxNameBytes = 128;      // of clouds, cells and workers
inline constexpr uint64_t kMaxEpoch = INT64_MAX;  // etcd's revisions go up to it

// Which chain of which leadership a worker serves. The larger one wins. An epoch is a leadership of
// a cell, 0 without elections; generations count the chains that it built.
struct Fence {
  uint64_t epoch = 0;
  uint64_t generation = 0;
  friend auto operator<=>(const Fence&, const Fence&) = default;
};

enum class Role : uint8_t { kShard, kPrefill };
std::string_view RoleName(Role role);  // "shard", "prefill"
absl::StatusOr<Role> RoleOf(std::string_view name);

// [first, end) of a model.
struct Layers {
  uint32_t first = 0;
  uint32_t end = 0;
  friend bool operator==(const Layers&, const Layers&) = default;
};
std::string TextOf(const std::optional<Layers>& layers);  // "0:4"; "any" without a value
absl::StatusOr<std::optional<Layers>> LayersOf(std::string_view text);

// A process that computes.
struct Worker {
  std::string id;            // stays the same when it is restarted
  uint64_t incarnation = 0;  // another one each time it starts
  Role role = Role::kShard;
  std::string endpoint;          // host:port for links
  uint64_t fingerprint = 0;      // of its model file; 0: not stated, its greeting says it
  std::optional<Layers> layers;  // of a shard; none: loads those it is assigned
  std::string zone;              // where its host is; may be empty
  uint64_t epoch = 0;            // the largest that it has served; 0: none with elections
  std::string version;           // of its program
  friend bool operator==(const Worker&, const Worker&) = default;
};

// That a worker computes for a cell.
struct Claim {
  std::string cell;
  uint64_t epoch = 0;  // of the leadership that claimed it
  friend bool operator==(const Claim&, const Claim&) = default;
};

// The front end that drives a cell.
struct Leader {
  std::string id;
  std::string http;    // where it serves; host:port
  uint64_t epoch = 0;  // of this leadership; larger than `above`
  uint64_t above = 0;  // epochs that the registry forgot, since it was restored from a backup
  int64_t since = 0;   // the registry's revision when it was elected
  friend bool operator==(const Leader&, const Leader&) = default;
};

// All that is known, at one revision of the registry.
struct Snapshot {
  int64_t revision = 0;
  std::map<std::string, Worker> workers;  // by id
  std::map<std::string, Claim> claims;    // by worker's id
  std::map<std::string, Leader> leaders;  // by cell
  friend bool operator==(const Snapshot&, const Snapshot&) = default;
};

// InvalidArgument if it is empty, longer than kMaxNameBytes, or has other characters than letters,
// digits, '-', '_' and '.'. `what` names it in the error.
absl::Status CheckName(std::string_view what, std::string_view name);

}  // namespace waferline::membership
