// Where tenants, keys and usage records are kept: a SQLite file or a PostgreSQL database.
//
// Owner: server/app; outlives its connections. Thread: any. Each thread that asks the database has
// a connection of its own.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/store/connection.h"

namespace waferline::store {

// What a committed record of a SQLite file survives. SQLite's WAL keeps it through the death of the
// process in either mode (sqlite.org/pragma.html#pragma_synchronous).
enum class Durability : uint8_t {
  kProcess,  // synchronous=NORMAL: a power failure may lose the last commits, never damage the file
  kPower,    // synchronous=FULL: an fsync a group
};

class Store {
 public:
  virtual ~Store() = default;

  virtual absl::StatusOr<std::unique_ptr<Connection>> Connect() = 0;
  // Unavailable and why: what is written now would be lost (a file that was removed or replaced).
  // Cost: some system calls.
  virtual absl::Status Check() { return absl::OkStatus(); }
  // The last epoch that was handed out, if it is kept outside of the database too, which may lose
  // it; else 0. KeepEpoch comes before the epoch's first use. Thread: the writer's.
  virtual int64_t last_epoch() const { return 0; }
  virtual absl::Status KeepEpoch(int64_t epoch) { return absl::OkStatus(); }
  // What it has found that stops nothing and the operator should know (a loss while no server ran),
  // since the last call. Bounded.
  virtual std::vector<std::string> TakeNotices() { return {}; }
  // No other server writes here while this one lives.
  virtual bool one_server() const = 0;
  // For messages to the operator; holds no password.
  virtual std::string Describe() const = 0;
};

// What went wrong with a store, for the operator: which store it is, and details that clients need
// not know. The statuses themselves, which clients may see, name neither files nor hosts.
std::string DescribeTrouble(const Store& store, const absl::Status& status);

// `url`: "sqlite:PATH", "postgresql://..." or "postgres://...". Brings the schema up to date; the
// errors, which name the store, are those of the connection and FailedPrecondition if the schema is
// from the future. InvalidArgument: no such kind of store.
absl::StatusOr<std::unique_ptr<Store>> OpenStore(const std::string& url, Durability durability);

// One that is only read, perhaps while servers write to it: nothing is made, migrated or owned.
// NotFound: no such file. FailedPrecondition: another schema version.
absl::StatusOr<std::unique_ptr<Store>> OpenStoreToRead(const std::string& url);

}  // namespace waferline::store
