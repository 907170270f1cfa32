// Epochs: a number that the database hands out to a server when it starts (and again when a lost
// connection is replaced), never twice. It is the first part of a usage id, so no id
// comes again, without a clock or a host's name.
//
// An epoch is dead when its server can write no more under it. SQLite: every other epoch, since the
// owner's lock is exclusive. PostgreSQL: its advisory lock, which the server's connection holds,
// can be taken. No clock and no time-out decides.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/store/connection.h"

namespace waferline::store {

// Inside a transaction: a new epoch, locked by this connection (PostgreSQL).
absl::StatusOr<int64_t> StartEpoch(Connection& connection, const std::string& host, int64_t now_us);

// To be called before StartEpoch where the epoch `last` was handed out (Store::last_epoch). False:
// the database has it. True: the database has lost it, and has a row for it again, of the host
// kLostHost, so that the next epoch is larger.
inline constexpr char kLostHost[] = "lost";
absl::StatusOr<bool> RestoreLostEpoch(Connection& connection, int64_t last, int64_t now_us);

// Epochs that were not ended and are dead, without `mine`. PostgreSQL: this connection holds their
// locks until EndEpoch, so no two servers settle one.
absl::StatusOr<std::vector<int64_t>> DeadEpochs(Connection& connection, int64_t mine);

absl::Status EndEpoch(Connection& connection, int64_t epoch, int64_t now_us);

}  // namespace waferline::store
