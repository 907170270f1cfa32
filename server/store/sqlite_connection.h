// Connections to a SQLite file, for SqliteStore alone: connection.h says what they do.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "server/store/checkpointer.h"
#include "server/store/connection.h"
#include "server/store/sqlite_files.h"
#include "server/store/store.h"

namespace waferline::store {

// A transaction begins only if the files are those that their store owns; if they no longer are
// after a commit, that commit is in doubt. What a log holds that was removed is copied into the
// database at once. `files` may be null: then they are not looked at.
absl::StatusOr<std::unique_ptr<Connection>> ConnectSqlite(const std::string& path,
                                                          Durability durability,
                                                          Checkpointer* checkpointer,
                                                          SqliteFiles* files);
absl::StatusOr<std::unique_ptr<Connection>> ConnectSqliteToRead(const std::string& path);

}  // namespace waferline::store
