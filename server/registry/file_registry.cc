#include "server/registry/file_registry.h"

#include <sys/stat.h>

#include <thread>
#include <utility>

#include "server/registry/snapshot_board.h"
#include "server/runtime/host.h"
#include "wafer_backend/base/files.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/yaml_form.h"
#include "wafer_backend/base/yaml_optional.h"

namespace waferline::registry {
namespace {

using membership::Snapshot;
constexpr Nanoseconds kLookEvery = Seconds(1);

membership::Worker ReadWorker(YamlForm form) {
  membership::Worker worker{.id = form.Text("id"), .endpoint = form.Text("endpoint")};
  worker.role = ChoiceOr<membership::Role>(
      form, "role", membership::Role::kShard,
      {{"shard", membership::Role::kShard}, {"prefill", membership::Role::kPrefill}});
  if (const absl::Status name = membership::CheckName("id", worker.id); !name.ok()) {
    form.AddError("id", std::string(name.message()));
  }
  worker.zone = TextOr(form, "zone", "");
  if (worker.role == membership::Role::kShard) {
    const auto layers = membership::LayersOf(TextOr(form, "layers", "any"));
    if (layers.ok()) {
      worker.layers = *layers;
    } else {
      form.AddError("layers", std::string(layers.status().message()));
    }
  }
  form.RefuseOthers();
  return worker;
}

// When the file was changed, and its size; another pair when it is another file.
std::pair<int64_t, int64_t> StateOf(const std::string& path) {
  struct stat file {};
  if (stat(path.c_str(), &file) != 0) return {};
  return {file.st_mtim.tv_sec * 1'000'000'000 + file.st_mtim.tv_nsec, file.st_size};
}

class FileRegistry final : public membership::Registry {
 public:
  explicit FileRegistry(std::string path) : path_(std::move(path)) {}
  ~FileRegistry() override {
    {
      const MutexLock lock(&mutex_);
      stopping_ = true;
    }
    changed_.NotifyAll();
    if (watcher_.joinable()) watcher_.join();
  }

  absl::Status Start() {
    state_ = StateOf(path_);
    WL_RETURN_IF_ERROR(Read());
    watcher_ = std::thread([this] { Follow(); });
    return absl::OkStatus();
  }

  void Announce(const membership::Worker&) override {}

  void Campaign(const std::string& cell, const membership::Leader& leader) override {
    const MutexLock lock(&mutex_);
    leaders_[cell] = leader;
    Publish();
  }

  void Withdraw() override {
    const MutexLock lock(&mutex_);
    leaders_.clear();
    claims_.clear();
    Publish();
  }

  absl::Status Take(const membership::Worker& worker, const Claimed& by) override {
    const MutexLock lock(&mutex_);
    claims_[worker.id] = {by.cell, by.epoch};
    Publish();
    return absl::OkStatus();
  }

  absl::Status Release(const std::string& worker, const Claimed&) override {
    const MutexLock lock(&mutex_);
    claims_.erase(worker);
    Publish();
    return absl::OkStatus();
  }

  void Watch(Sink sink) override { board_.Watch(std::move(sink)); }
  std::shared_ptr<const Snapshot> snapshot() const override { return board_.last(); }
  Nanoseconds age() const override {
    const MutexLock lock(&mutex_);
    return runtime::MonotonicNow() - read_at_;
  }
  absl::Status status() const override {
    const MutexLock lock(&mutex_);
    return status_;
  }

 private:
  absl::Status Read() {
    auto members = ReadMembers(path_);
    const MutexLock lock(&mutex_);
    status_ = members.status();
    if (!members.ok()) return status_;
    workers_ = std::move(members->workers);
    read_at_ = runtime::MonotonicNow();
    Publish();
    return absl::OkStatus();
  }

  void Publish() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    board_.Put({++revision_, workers_, claims_, leaders_});
  }

  void Follow() {
    for (;;) {
      {
        const MutexLock lock(&mutex_);
        changed_.WaitFor(&mutex_, kLookEvery,
                         [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return stopping_; });
        if (stopping_) return;
        if (status_.ok()) read_at_ = runtime::MonotonicNow();
      }
      // Before reading: a change meanwhile is another one.
      if (const auto now = StateOf(path_); now != state_) {
        state_ = now;
        (void)Read();  // status() says it
      }
    }
  }

  const std::string path_;
  std::pair<int64_t, int64_t> state_;  // of the file as it was read; the watcher's
  SnapshotBoard board_;
  mutable Mutex mutex_;
  CondVar changed_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  int64_t revision_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<std::string, membership::Worker> workers_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, membership::Claim> claims_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, membership::Leader> leaders_ ABSL_GUARDED_BY(mutex_);
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
  Nanoseconds read_at_ ABSL_GUARDED_BY(mutex_);
  std::thread watcher_;
};

}  // namespace

absl::StatusOr<Snapshot> ParseMembers(const std::string& name, std::string_view yaml) {
  YamlFile file(name, yaml);
  YamlForm root = file.root();
  Snapshot snapshot;
  for (YamlForm& form : root.List("workers")) {
    membership::Worker worker = ReadWorker(form);
    std::string id = worker.id;
    if (!snapshot.workers.emplace(id, std::move(worker)).second) {
      form.AddError("id", "is used by another worker");
    }
  }
  root.RefuseOthers();
  if (absl::Status status = file.status(); !status.ok()) return status;
  return snapshot;
}

absl::StatusOr<Snapshot> ReadMembers(const std::string& path) {
  constexpr size_t kMaxMembersBytes = size_t{1} << 20;
  WL_RETURN_IF_ERROR(CheckRegularFile(path, kMaxMembersBytes));
  WL_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxMembersBytes));
  return ParseMembers(path, text);
}

absl::StatusOr<std::unique_ptr<membership::Registry>> OpenFileRegistry(const std::string& path) {
  auto registry = std::make_unique<FileRegistry>(path);
  WL_RETURN_IF_ERROR(registry->Start());
  return registry;
}

}  // namespace waferline::registry
