// Connections to a SQLite file, for SqliteStore alone: connection.h says what they do.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "server/store/checkpointer.h"
#include "server/store/connection.h"
#include "server/store/store.h"

namespace waferline::store {

// `check` says whether the path still leads to the file that its store owns. A transaction begins
// only if it does; if it no longer does after a commit, that commit is in doubt.
absl::StatusOr<std::unique_ptr<Connection>> ConnectSqlite(const std::string& path,
                                                          Durability durability,
                                                          Checkpointer* checkpointer,
                                                          std::function<absl::Status()> check);
absl::StatusOr<std::unique_ptr<Connection>> ConnectSqliteToRead(const std::string& path);

}  // namespace waferline::store
