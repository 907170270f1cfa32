#include "server/store/sqlite_store.h"

#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/store/sqlite_connection.h"
#include "server/store/sqlite_files.h"
#include "server/store/sqlite_owner.h"
#include "wafer_backend/base/status.h"

namespace waferline::store {
namespace {

// The file behind links, so that all its names have one lock; the path itself if it is none yet.
std::string RealPath(const std::string& path) {
  std::error_code error;
  const std::filesystem::path real = std::filesystem::weakly_canonical(path, error);
  return error ? path : real.string();
}

class SqliteStore : public Store {
 public:
  SqliteStore(std::string path, Durability durability)
      : path_(RealPath(path)),
        durability_(durability),
        owner_(path_),
        files_(path_),
        checkpointer_(path_, Checkpointer::kPages, [this] { files_.Learn(); }) {}

  absl::Status Own() {
    WL_RETURN_IF_ERROR(owner_.Take());
    files_.Pin();
    files_.AddNotice(owner_.notice());
    return absl::OkStatus();
  }

  absl::Status Check() override { return files_.Check(); }

  absl::StatusOr<std::unique_ptr<Connection>> Connect() override {
    WL_RETURN_IF_ERROR(Check());
    return ConnectSqlite(path_, durability_, &checkpointer_, &files_);
  }
  int64_t last_epoch() const override { return owner_.last_epoch(); }
  absl::Status KeepEpoch(int64_t epoch) override { return owner_.KeepEpoch(epoch); }
  std::vector<std::string> TakeNotices() override { return files_.TakeNotices(); }
  bool one_server() const override { return true; }
  std::string Describe() const override { return "SQLite " + path_; }

 private:
  const std::string path_;
  const Durability durability_;
  SqliteOwner owner_;
  SqliteFiles files_;
  Checkpointer checkpointer_;
};

class SqliteReadStore : public Store {
 public:
  explicit SqliteReadStore(std::string path) : path_(std::move(path)), files_(path_) {
    if (!in_use_) files_.Pin();
  }

  // The first to read what a killed server left recovers its log, and so is the one that can say
  // what is missing of it.
  absl::StatusOr<std::unique_ptr<Connection>> Connect() override {
    WL_ASSIGN_OR_RETURN(auto connection, ConnectSqliteToRead(path_));
    if (!in_use_) {
      WL_RETURN_IF_ERROR(connection->RunScript("SELECT 1 FROM sqlite_master"));
      (void)files_.OnRecovered();
    }
    return connection;
  }
  std::vector<std::string> TakeNotices() override { return files_.TakeNotices(); }
  bool one_server() const override { return true; }
  std::string Describe() const override { return "SQLite " + path_; }

 private:
  const std::string path_;
  const bool in_use_ = SqliteOwner::IsTaken(path_);  // by a server
  SqliteFiles files_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Store>> OpenSqliteStoreToRead(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) {
    return absl::NotFoundError(absl::StrCat(path, ": there is no such file"));
  }
  if (!std::filesystem::is_regular_file(path, error)) {  // SQLite would wait for a pipe's writer
    return absl::FailedPreconditionError(absl::StrCat(path, ": is not a plain file"));
  }
  return std::make_unique<SqliteReadStore>(RealPath(path));
}

absl::StatusOr<std::unique_ptr<Store>> OpenSqliteStore(const std::string& path,
                                                       Durability durability) {
  auto store = std::make_unique<SqliteStore>(path, durability);
  WL_RETURN_IF_ERROR(store->Own());
  return store;
}

}  // namespace waferline::store
