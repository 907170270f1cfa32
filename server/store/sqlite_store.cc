#include "server/store/sqlite_store.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/store/sqlite_connection.h"
#include "server/store/sqlite_files.h"
#include "wafer_backend/base/files.h"
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
      : path_(RealPath(path)), durability_(durability), checkpointer_(path_), files_(path_) {}
  ~SqliteStore() override {
    if (lock_ >= 0) close(lock_);
  }

  absl::Status Own() {
    std::error_code absent;
    if (std::filesystem::hard_link_count(path_, absent) > 1 && !absent) {
      return absl::FailedPreconditionError(absl::StrCat(
          path_,
          ": has more than one name (hard links), by which another server could open it; "
          "keep one"));
    }
    const std::string lock_path = path_ + ".owner";
    lock_ = open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (lock_ < 0) return Failed(lock_path);
    if (flock(lock_, LOCK_EX | LOCK_NB) != 0) {
      const auto pid = ReadFile(lock_path, 64);
      return absl::FailedPreconditionError(
          absl::StrCat(path_, ": is open in another server (pid ", pid.ok() ? *pid : "unknown",
                       "); one server owns a SQLite file, several share PostgreSQL"));
    }
    const std::string pid = std::to_string(getpid());
    if (ftruncate(lock_, 0) != 0 || pwrite(lock_, pid.data(), pid.size(), 0) < 0) {
      return Failed(lock_path);
    }
    // Usage and key digests are for the server's user alone.
    const int file = open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0) return Failed(path_);
    close(file);
    files_.Pin();
    return absl::OkStatus();
  }

  absl::Status Check() const override { return files_.Check(); }

  absl::StatusOr<std::unique_ptr<Connection>> Connect() override {
    WL_RETURN_IF_ERROR(Check());
    return ConnectSqlite(path_, durability_, &checkpointer_, &files_);
  }
  bool one_server() const override { return true; }
  std::string Describe() const override { return "SQLite " + path_; }

 private:
  static absl::Status Failed(const std::string& path) {
    return absl::UnavailableError(absl::StrCat(path, ": ", std::strerror(errno)));
  }

  const std::string path_;
  const Durability durability_;
  Checkpointer checkpointer_;
  int lock_ = -1;
  SqliteFiles files_;
};

class SqliteReadStore : public Store {
 public:
  explicit SqliteReadStore(std::string path) : path_(std::move(path)) {}

  absl::StatusOr<std::unique_ptr<Connection>> Connect() override {
    return ConnectSqliteToRead(path_);
  }
  bool one_server() const override { return true; }
  std::string Describe() const override { return "SQLite " + path_; }

 private:
  const std::string path_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Store>> OpenSqliteStoreToRead(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) {
    return absl::NotFoundError(absl::StrCat(path, ": there is no such file"));
  }
  return std::make_unique<SqliteReadStore>(path);
}

absl::StatusOr<std::unique_ptr<Store>> OpenSqliteStore(const std::string& path,
                                                       Durability durability) {
  auto store = std::make_unique<SqliteStore>(path, durability);
  WL_RETURN_IF_ERROR(store->Own());
  return store;
}

}  // namespace waferline::store
