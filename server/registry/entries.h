// What members write into the registry: keys below PREFIX/CLOUD/, and their values as JSON.
//   workers/ID     {"incarnation", "role", "endpoint", "fingerprint", "layers", "zone", "version",
//                  "epoch"}
//   claims/ID      {"cell", "epoch"}
//   cells/CELL/leader  {"id", "http", "above"}; its epoch is the key's create revision, or above +
//   1
//                      if that is larger
// 64-bit numbers are hexadecimal text, since JSON's numbers are doubles to many readers. Fields
// that are not known are ignored: a newer program may write them. Pure functions, any thread.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "wafer_backend/membership/membership.h"

namespace waferline::registry {

inline constexpr std::string_view kWorkers = "workers/";
inline constexpr std::string_view kClaims = "claims/";
inline constexpr std::string_view kCells = "cells/";
inline constexpr std::string_view kLeader = "/leader";

std::string WorkerKey(std::string_view id);
std::string ClaimKey(std::string_view id);
std::string LeaderKey(std::string_view cell);

std::string ValueOf(const membership::Worker& worker);
std::string ValueOf(const membership::Claim& claim);
std::string ValueOf(const membership::Leader& leader);

// A stored entry.
struct Entry {
  std::string value;
  int64_t created = 0;  // revisions
  int64_t modified = 0;
  int64_t lease = 0;
};

// Adds what `key` (without the prefix) says. InvalidArgument: the value is not what is above, or
// larger than kMaxValueBytes; the snapshot is as before. A key of another kind is ignored.
absl::Status AddEntry(std::string_view key, const Entry& entry, membership::Snapshot* snapshot);
void RemoveEntry(std::string_view key, membership::Snapshot* snapshot);

}  // namespace waferline::registry
