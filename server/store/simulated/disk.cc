#include "server/store/simulated/disk.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/store/schema.h"
#include "server/store/simulated/disk_files.h"
#include "server/store/sqlite_connection.h"
#include "wafer_backend/base/status.h"

namespace waferline::store {
namespace {

// A store on a disk, for one process.
class DiskStore : public Store {
 public:
  DiskStore(std::unique_ptr<DiskPath> path, Durability durability)
      : path_(std::move(path)), durability_(durability) {}

  absl::StatusOr<std::unique_ptr<Connection>> Connect() override {
    if (first_ != nullptr) return std::move(first_);
    return ConnectSqlite(path_->Of("usage.db"), durability_, &checkpointer_, nullptr);
  }
  // For the first who connects: each connection reads the schema from the start.
  void Keep(std::unique_ptr<Connection> first) { first_ = std::move(first); }
  bool one_server() const override { return true; }
  std::string Describe() const override { return "SQLite on a simulated disk"; }

 private:
  const std::unique_ptr<DiskPath> path_;
  const Durability durability_;
  Checkpointer checkpointer_{path_->Of("usage.db")};
  std::unique_ptr<Connection> first_;
};

}  // namespace

SimulatedDisk::SimulatedDisk(simulated::World* world, const DiskImage& image) : world_(world) {
  for (const auto& [name, bytes] : image) {
    auto file = std::make_shared<File>();
    file->bytes = file->synced = bytes;
    files_[name] = std::move(file);
  }
}

DiskImage SimulatedDisk::Image() const {
  DiskImage image;
  for (const auto& [name, file] : files_) image[name] = file->bytes;
  return image;
}

absl::StatusOr<std::unique_ptr<Store>> SimulatedDisk::OpenStore(simulated::Process* process,
                                                                Durability durability) {
  auto store = std::make_unique<DiskStore>(std::make_unique<DiskPath>(this, process), durability);
  WL_ASSIGN_OR_RETURN(auto connection, store->Connect());
  WL_RETURN_IF_ERROR(Migrate(*connection));
  store->Keep(std::move(connection));
  return store;
}

void SimulatedDisk::OnDeath() {
  for (auto& [name, file] : files_) file->shared.reset();
}

void SimulatedDisk::Write::ApplyTo(std::string* file) const {
  if (truncates) return file->resize(at);
  file->resize(std::max(file->size(), at + bytes.size()));
  std::memcpy(file->data() + at, bytes.data(), bytes.size());
}

void SimulatedDisk::LosePower() {
  ++figures_.power_losses;
  OnDeath();
  for (auto& [name, file] : files_) {
    std::string left = file->synced;
    for (const Write& write : file->writes) {
      if (world_->OneIn(2)) {
        ++figures_.writes_lost;
        continue;
      }
      write.ApplyTo(&left);
    }
    file->bytes = file->synced = std::move(left);
    file->writes.clear();
  }
}

}  // namespace waferline::store
