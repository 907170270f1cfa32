// A store in one SQLite file (WAL): one server owns it, other processes may read.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "server/store/store.h"

namespace waferline::store {

// Makes the file, readable by its owner alone, if there is none. FailedPrecondition: another server
// has it open (named by its pid), or it is not a SQLite database. Unavailable: it cannot be made or
// opened. The lock is the kernel's (flock on PATH.owner), so it ends with the process, however that
// ends.
absl::StatusOr<std::unique_ptr<Store>> OpenSqliteStore(const std::string& path,
                                                       Durability durability);

// One whose connections only read, next to the server that owns the file. NotFound: no such file.
// FailedPrecondition: it is a folder, a pipe or the like.
absl::StatusOr<std::unique_ptr<Store>> OpenSqliteStoreToRead(const std::string& path);

}  // namespace waferline::store
