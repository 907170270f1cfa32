// Where a SQLite store of a test lies; and one whose commits fail on purpose.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <utility>

#include "server/store/store.h"
#include "tests/support/temporary_folder.h"
#include "wafer_backend/base/check.h"
#include "wafer_backend/base/seeded_stream.h"

namespace waferline::store {

struct StoreFolder : test::TemporaryFolder {
  std::string Url(const std::string& name = "usage.db") const { return "sqlite:" + File(name); }
};

// How commits go wrong. Lost: kept, and the answer does not come (in doubt). Refused: not kept.
// Broken: the connection ends at a statement within.
struct Faults {
  double lost = 0, refused = 0;
  double broken = 0;  // a statement; the others: a commit
  uint64_t seed = 1;
};

class FaultyStore : public Store {
 public:
  FaultyStore(Store* real, Faults faults) : real_(real), faults_(faults), random_(faults.seed) {}

  absl::StatusOr<std::unique_ptr<Connection>> Connect() override {
    if (gone) return absl::UnavailableError("the database is gone");
    auto connection = real_->Connect();
    if (!connection.ok()) return connection.status();
    return std::unique_ptr<Connection>(
        std::make_unique<FaultyConnection>(this, *std::move(connection)));
  }
  absl::Status Check() override { return real_->Check(); }
  int64_t last_epoch() const override { return real_->last_epoch(); }
  absl::Status KeepEpoch(int64_t epoch) override { return real_->KeepEpoch(epoch); }
  bool one_server() const override { return real_->one_server(); }
  std::string Describe() const override { return real_->Describe(); }

  std::atomic<bool> gone{false};  // nothing can be committed, no connection made
  std::atomic<int> lost{0}, refused{0}, broken{0};

 private:
  class FaultyConnection : public Connection {
   public:
    FaultyConnection(FaultyStore* store, std::unique_ptr<Connection> real)
        : store_(store), real_(std::move(real)) {}
    Dialect dialect() const override { return real_->dialect(); }
    bool alive() const override { return alive_ && real_->alive(); }
    absl::Status Begin() override { return real_->Begin(); }
    absl::Status BeginRead() override { return real_->BeginRead(); }
    void Rollback() override { real_->Rollback(); }
    absl::StatusOr<Result> Run(const std::string& sql, const std::vector<Value>& values) override {
      if (store_->faults_.broken > 0 && store_->random_.Uniform() < store_->faults_.broken) {
        ++store_->broken;
        alive_ = false;
      }
      if (!alive_) return absl::UnavailableError("the connection broke on purpose");
      return real_->Run(sql, values);
    }
    absl::Status RunScript(const std::string& sql) override { return real_->RunScript(sql); }
    absl::Status CommitAfter(const std::vector<Statement>& last) override {
      const absl::Status ran = RunAll(last).status();
      if (!ran.ok()) return ran;
      const double draw = store_->random_.Uniform();
      if (store_->gone || draw < store_->faults_.refused) {
        ++store_->refused;
        return absl::UnavailableError("refused on purpose");
      }
      const absl::Status status = real_->Commit();
      if (draw >= store_->faults_.refused + store_->faults_.lost) return status;
      ++store_->lost;
      alive_ = false;
      return absl::UnknownError("the answer was lost on purpose");
    }

   private:
    FaultyStore* const store_;
    const std::unique_ptr<Connection> real_;
    bool alive_ = true;
  };

  Store* const real_;
  const Faults faults_;
  SeededStream random_;  // the writer's thread
};

}  // namespace waferline::store
