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
    file->first = bytes;
    file->bytes = *bytes;
    files_[name] = std::move(file);
  }
}

DiskImage SimulatedDisk::Image() const {
  DiskImage image;
  for (const auto& [name, file] : files_) {
    image[name] = std::make_shared<const std::string>(file->bytes);
  }
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

void SimulatedDisk::File::Put(uint64_t at, std::string_view what) {
  constexpr size_t kMinRoom = size_t{256} << 10;  // a log grows to that soon
  const size_t end = at + what.size();
  if (end > bytes.capacity()) bytes.reserve(std::max({kMinRoom, 2 * bytes.capacity(), end}));
  if (at > bytes.size()) bytes.resize(at);
  const size_t over = std::min(what.size(), bytes.size() - at);  // what was there
  std::memcpy(bytes.data() + at, what.data(), over);
  bytes.append(what.substr(over));
}

void SimulatedDisk::Write::ApplyTo(File* file) const {
  if (truncates) return file->bytes.resize(at);
  file->Put(at, bytes);
}

void SimulatedDisk::LosePower() {
  ++figures_.power_losses;
  OnDeath();
  for (auto& [name, file] : files_) {
    file->bytes = *file->first;
    for (size_t i = 0; i < file->writes.size(); ++i) {
      if (i >= file->synced && world_->OneIn(2)) {
        ++figures_.writes_lost;
      } else {
        file->writes[i].ApplyTo(file.get());
      }
    }
    file->first = std::make_shared<const std::string>(file->bytes);
    file->writes.clear();
    file->synced = 0;
  }
}

}  // namespace waferline::store
