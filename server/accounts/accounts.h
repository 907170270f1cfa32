// Tenants, keys and quotas of a running server: what administrators change, and how the server
// follows. A change holds here when `done` runs, and within kPollPeriod in the other servers of a
// PostgreSQL database.
//
// Owner: server/app; dies after the front ends. Thread: any; no call blocks. `done` runs once: on a
// thread of the database's, or within the call if the request is refused. Bounds: kMaxWaiting reads
// wait; a server may have kMaxKeys keys and kMaxTenants tenants.
//
// Without a database every call is refused by name.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/accounts/account_tables.h"
#include "server/accounts/project_tables.h"
#include "server/accounts/quota_tables.h"
#include "server/accounts/usage_query.h"
#include "server/billing/price_book.h"
#include "server/store/reader.h"
#include "server/store/writer.h"
#include "server/tenancy/api_keys.h"
#include "server/tenancy/budget.h"
#include "wafer_backend/base/status.h"

namespace waferline::accounts {

inline constexpr Nanoseconds kPollPeriod = Milliseconds(500);

// What every call says without one.
absl::Status NoDatabase();

template <typename Answer>
using Done = std::function<void(absl::StatusOr<Answer>)>;

// A key that was just made: the only time that its text is known.
struct NewKey {
  std::string secret;
  Key key;
};

class Accounts {
 public:
  struct Options {
    store::Store* store = nullptr;    // null: there is no database
    store::Writer* writer = nullptr;  // the server's one
    tenancy::ApiKeys* keys = nullptr;
    tenancy::Budgets* budgets = nullptr;
    std::vector<std::string> models;         // that keys may be for: those that are served
    std::vector<tenancy::ApiKey> file_keys;  // the configuration's
    tenancy::LimitsByTenant file_limits;     // the configuration's; a quota replaces its tenant's
    const billing::PriceBook* prices = nullptr;  // null: spending cannot be limited
    std::function<int64_t()> unix_us;
    std::function<std::string(size_t)> random_bytes;
  };

  explicit Accounts(Options options);
  // Imports the configuration's keys, loads what there is, and follows changes.
  absl::Status Start();
  // Nothing is followed any more.
  void Stop();

  // `plan`: of the prices; not given: an existing tenant keeps its own, a new one pays as it goes.
  void AddTenant(const std::string& name, const std::optional<std::string>& plan,
                 Done<std::string> done);
  void DisableTenant(const std::string& name, Done<std::string> done);
  void ListTenants(Done<std::vector<Tenant>> done);

  // Of `wanted` tenant, project, scopes and expires_us are read. InvalidArgument: a model that is
  // not served here (it could be used nowhere, and is most likely misspelt); the first key of a
  // server without keys must be an administrator's, or no one could operate it afterwards.
  void CreateKey(const Key& wanted, Done<NewKey> done);
  // The old key goes on for `overlap`.
  void RotateKey(const std::string& id, Nanoseconds overlap, Done<NewKey> done);
  void RevokeKey(const std::string& id, Done<std::string> done);
  void ListKeys(Done<std::vector<Key>> done);

  // Gets an id. `wanted`: tenant and name.
  void CreateProject(const Project& wanted, Done<Project> done);
  // `tenant`: whose; "": any.
  void RenameProject(const Project& renamed, Done<Project> done);
  void ArchiveProject(const std::string& id, const std::string& tenant, Done<Project> done);
  void FindProject(const std::string& id, const std::string& tenant, Done<Project> done);
  void ListProjects(Done<std::vector<Project>> done);

  // InvalidArgument: a spending limit without prices; a payment of a tenant whose plan is not
  // prepaid.
  void ChangeQuota(const QuotaChange& change, Done<Quota> done);
  void ListQuotas(Done<std::vector<Quota>> done);

  void Usage(const UsageQuery& query, Done<UsageReport> done);

  // Any other question, on the reader's thread.
  template <typename Answer>
  void Ask(std::function<absl::StatusOr<Answer>(store::Connection&)> work, Done<Answer> done) {
    if (options_.store == nullptr) return done(NoDatabase());
    const bool asked = reader_->Ask([work, done](absl::StatusOr<store::Connection*> connection) {
      if (!connection.ok()) return done(connection.status());
      done(work(**connection));
    });
    if (!asked) done(Busy());
  }

 private:
  static absl::Status Busy();
  Done<std::string> ThenFind(const std::string& id, const std::string& tenant, Done<Project> done);
  // After the commit the reader loads the change, and then the caller is notified.
  template <typename Answer>
  void Write(store::Writer::Work work, Answer answer, Done<Answer> done) {
    if (options_.store == nullptr) return done(NoDatabase());
    if (const absl::Status status = options_.writer->MayAdmit(); !status.ok()) return done(status);
    options_.writer->Post(std::move(work), [this, answer, done](const absl::Status& written) {
      if (!written.ok()) return done(written);
      const bool asked =
          reader_->Ask([this, answer, done](absl::StatusOr<store::Connection*> connection) {
            absl::Status loaded = connection.status();
            if (loaded.ok()) loaded = Load(**connection, true);
            if (!loaded.ok()) return done(loaded);
            done(answer);
          });
      if (!asked) done(Busy());
    });
  }
  // The same for work that makes the answer.
  template <typename Answer>
  void Write(std::function<absl::StatusOr<Answer>(store::Connection&)> work, Done<Answer> done) {
    const auto made = std::make_shared<Answer>();
    Write<std::string>(
        [work, made](store::Connection& connection) -> absl::Status {
          WL_ASSIGN_OR_RETURN(*made, work(connection));
          return absl::OkStatus();
        },
        "",
        [made, done](const absl::StatusOr<std::string>& written) {
          if (!written.ok()) return done(written.status());
          done(*made);
        });
  }
  NewKey MakeKey(const Key& wanted) const;
  absl::Status Import();
  // Brings keys and budgets up to the tables' state, if that is newer or `force`.
  absl::Status Load(store::Connection& connection, bool force);

  const Options options_;
  std::unique_ptr<store::Reader> reader_;
  int64_t loaded_version_ = -1;  // the reader's thread
};

}  // namespace waferline::accounts
