#include "server/store/schema.h"

#include <iterator>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "wafer_backend/base/status.h"

namespace waferline::store {
namespace {

// {serial}: a number that the database hands out and never again. {by_key}: the rows lie in the
// order of their key, without one of their own, where the database can do that. {by_time}: rows
// that come in the order of their time are found by it. {admitted_month}: YYYYMM. {payments}: an
// index of payments in advance, where one is needed.
constexpr const char* kSteps[] = {
    R"(
CREATE TABLE epoch(id {serial}, host TEXT NOT NULL, started_us BIGINT NOT NULL,
  ended_us BIGINT NOT NULL);
CREATE TABLE tenant(name TEXT PRIMARY KEY, created_us BIGINT NOT NULL,
  disabled_us BIGINT NOT NULL);
CREATE TABLE api_key(id TEXT PRIMARY KEY, digest TEXT NOT NULL UNIQUE, prefix TEXT NOT NULL,
  tenant TEXT NOT NULL, project TEXT NOT NULL, admin BIGINT NOT NULL, read_usage BIGINT NOT NULL,
  models TEXT NOT NULL, origin TEXT NOT NULL, created_us BIGINT NOT NULL,
  expires_us BIGINT NOT NULL, revoked_us BIGINT NOT NULL);
CREATE TABLE quota(tenant TEXT PRIMARY KEY, requests_day BIGINT, tokens_minute BIGINT,
  concurrent BIGINT, soft_micro BIGINT, hard_micro BIGINT, prepaid_micro BIGINT);
CREATE TABLE account(tenant TEXT NOT NULL, period BIGINT NOT NULL, spent_micro BIGINT NOT NULL,
  spent_pico BIGINT NOT NULL, held_micro BIGINT NOT NULL, PRIMARY KEY(tenant, period));
CREATE TABLE usage(epoch BIGINT NOT NULL, ordinal BIGINT NOT NULL, choice BIGINT NOT NULL,
  status TEXT NOT NULL, reason TEXT NOT NULL, tenant TEXT NOT NULL, project TEXT NOT NULL,
  api_key TEXT NOT NULL, model TEXT NOT NULL, tier TEXT NOT NULL, endpoint TEXT NOT NULL,
  request_id TEXT NOT NULL, admitted_us BIGINT NOT NULL, ended_us BIGINT NOT NULL,
  prompt BIGINT NOT NULL, cached BIGINT NOT NULL, generated BIGINT NOT NULL,
  charge_micro BIGINT NOT NULL, charge_pico BIGINT NOT NULL, hold_micro BIGINT NOT NULL,
  PRIMARY KEY(epoch, ordinal, choice));
CREATE INDEX usage_ended ON usage(ended_us);
CREATE INDEX usage_open ON usage(epoch) WHERE status = 'open';
CREATE TABLE usage_hour(hour_us BIGINT NOT NULL, tenant TEXT NOT NULL, project TEXT NOT NULL,
  api_key TEXT NOT NULL, model TEXT NOT NULL, tier TEXT NOT NULL, requests BIGINT NOT NULL,
  prompt BIGINT NOT NULL, cached BIGINT NOT NULL, generated BIGINT NOT NULL,
  charge_micro BIGINT NOT NULL, charge_pico BIGINT NOT NULL,
  PRIMARY KEY(hour_us, tenant, project, api_key, model, tier));
CREATE TABLE setting(name TEXT PRIMARY KEY, value BIGINT NOT NULL);
INSERT INTO setting(name, value) VALUES('access_version', 1);
)",
    // What records cost, booked: the ledger's entries, final invoices and what was credited of
    // them.
    R"(
ALTER TABLE epoch ADD COLUMN answered TEXT NOT NULL DEFAULT '';
ALTER TABLE tenant ADD COLUMN plan TEXT NOT NULL DEFAULT '';
ALTER TABLE usage ADD COLUMN plan TEXT NOT NULL DEFAULT '';
ALTER TABLE usage ADD COLUMN system_ns BIGINT NOT NULL DEFAULT 0;
ALTER TABLE usage ADD COLUMN accelerator_ns BIGINT NOT NULL DEFAULT 0;
ALTER TABLE usage ADD COLUMN microjoules BIGINT NOT NULL DEFAULT 0;
ALTER TABLE usage ADD COLUMN invoice BIGINT NOT NULL DEFAULT 0;
CREATE INDEX usage_unbilled ON usage(tenant, ended_us) WHERE invoice = 0 AND status = 'posted';
CREATE TABLE entry(transfer TEXT NOT NULL, line BIGINT NOT NULL, account TEXT NOT NULL,
  micro BIGINT NOT NULL, pico BIGINT NOT NULL, at_us BIGINT NOT NULL,
  PRIMARY KEY(transfer, line)){by_key};
CREATE TABLE invoice(tenant TEXT NOT NULL, period BIGINT NOT NULL, plan TEXT NOT NULL,
  closed_us BIGINT NOT NULL, total_cents BIGINT NOT NULL, credited_cents BIGINT NOT NULL,
  text TEXT NOT NULL, PRIMARY KEY(tenant, period));
CREATE TABLE credit_note(id TEXT PRIMARY KEY, tenant TEXT NOT NULL, period BIGINT NOT NULL,
  cents BIGINT NOT NULL, reason TEXT NOT NULL, at_us BIGINT NOT NULL);
CREATE TABLE price_book(id {serial}, name TEXT NOT NULL, text TEXT NOT NULL,
  first_us BIGINT NOT NULL);
)",
    R"(
CREATE TABLE response(tenant TEXT NOT NULL, id TEXT NOT NULL, created_us BIGINT NOT NULL,
  document TEXT NOT NULL, messages TEXT NOT NULL, PRIMARY KEY(tenant, id));
CREATE INDEX response_age ON response(tenant, created_us);
)",
    // `tier` is the one that served.
    R"(
ALTER TABLE usage ADD COLUMN asked TEXT NOT NULL DEFAULT '';
)",
    // `position`: a posted record's place in the order in which its epoch's were posted.
    R"(
ALTER TABLE usage ADD COLUMN position BIGINT NOT NULL DEFAULT 0;
UPDATE usage SET position = place.n FROM (SELECT epoch AS e, ordinal AS o, choice AS c,
  ROW_NUMBER() OVER (PARTITION BY epoch ORDER BY ordinal, choice) AS n FROM usage
  WHERE status = 'posted') AS place WHERE epoch = e AND ordinal = o AND choice = c;
CREATE INDEX usage_position ON usage(epoch, position) WHERE position > 0;
DROP INDEX usage_ended;
CREATE INDEX usage_posted ON usage{by_time} WHERE status = 'posted';
)",
    R"(
CREATE TABLE project(id TEXT NOT NULL, tenant TEXT NOT NULL, name TEXT NOT NULL,
  created_us BIGINT NOT NULL, archived_us BIGINT NOT NULL, PRIMARY KEY(tenant, id));
INSERT INTO project SELECT project, tenant, project, MIN(created_us), 0 FROM api_key
  WHERE project <> '' GROUP BY tenant, project;
ALTER TABLE api_key ADD COLUMN name TEXT NOT NULL DEFAULT '';
)",
    // Projects have accounts of their own, and shares of their tenant's limits.
    R"(
ALTER TABLE account RENAME TO account_before;
CREATE TABLE account(tenant TEXT NOT NULL, project TEXT NOT NULL, period BIGINT NOT NULL,
  spent_micro BIGINT NOT NULL, spent_pico BIGINT NOT NULL, held_micro BIGINT NOT NULL,
  PRIMARY KEY(tenant, project, period));
INSERT INTO account SELECT tenant, '', period, spent_micro, spent_pico, held_micro
  FROM account_before;
DROP TABLE account_before;
INSERT INTO account SELECT tenant, project, {admitted_month},
  CAST(SUM(charge_micro) AS BIGINT) + CAST(SUM(charge_pico) AS BIGINT) / 1000000,
  CAST(SUM(charge_pico) AS BIGINT) % 1000000,
  CAST(SUM(CASE WHEN status = 'open' THEN hold_micro ELSE 0 END) AS BIGINT)
  FROM usage WHERE project <> '' GROUP BY tenant, project, {admitted_month};
CREATE TABLE project_share(tenant TEXT NOT NULL, project TEXT NOT NULL,
  thousandths BIGINT NOT NULL, PRIMARY KEY(tenant, project));
)",
    // Files of requests, and batches that run them. A batch's rows are here until they are files.
    R"(
CREATE TABLE file(tenant TEXT NOT NULL, id TEXT NOT NULL, name TEXT NOT NULL,
  purpose TEXT NOT NULL, bytes BIGINT NOT NULL, created_us BIGINT NOT NULL, content TEXT NOT NULL,
  PRIMARY KEY(tenant, id));
CREATE INDEX file_age ON file(tenant, created_us, id);
CREATE TABLE batch(tenant TEXT NOT NULL, id TEXT NOT NULL, api_key TEXT NOT NULL,
  created_us BIGINT NOT NULL, status TEXT NOT NULL, is_open BIGINT NOT NULL,
  server BIGINT NOT NULL, lease_us BIGINT NOT NULL, view TEXT NOT NULL, PRIMARY KEY(tenant, id));
CREATE INDEX batch_age ON batch(tenant, created_us, id);
CREATE INDEX batch_open ON batch(created_us) WHERE is_open = 1;
CREATE TABLE batch_result(tenant TEXT NOT NULL, batch TEXT NOT NULL, line BIGINT NOT NULL,
  ok BIGINT NOT NULL, bytes BIGINT NOT NULL, text TEXT NOT NULL,
  PRIMARY KEY(tenant, batch, line)){by_key};
)",
    // A request has a record for each choice; an hour counts both.
    R"(
ALTER TABLE usage_hour ADD COLUMN records BIGINT NOT NULL DEFAULT 0;
UPDATE usage_hour SET records = requests;
UPDATE usage_hour SET requests = 0;
UPDATE usage_hour SET requests = c.requests FROM (
  SELECT ended_us - ended_us % 3600000000 AS hour_us, tenant, project, api_key, model, tier,
    COUNT(*) AS requests FROM usage WHERE status = 'posted' AND choice = 0
    GROUP BY ended_us - ended_us % 3600000000, tenant, project, api_key, model, tier) AS c
  WHERE usage_hour.hour_us = c.hour_us AND usage_hour.tenant = c.tenant AND
    usage_hour.project = c.project AND usage_hour.api_key = c.api_key AND
    usage_hour.model = c.model AND usage_hour.tier = c.tier;
)",
    // The account of period 0, once all that a tenant had spent, is its prepaid balance. Usage that
    // plans bill by compute time gets its costs where the prices are known (compute_costs_due).
    R"(
UPDATE account SET spent_micro = 0, spent_pico = 0 WHERE period = 0;
INSERT INTO account(tenant, project, period, spent_micro, spent_pico, held_micro)
  SELECT substr(entry.account, 8, length(entry.account) - 15), '', 0,
    CAST(SUM(micro) AS BIGINT) + CAST(SUM(pico) AS BIGINT) / 1000000,
    CAST(SUM(pico) AS BIGINT) % 1000000, 0
  FROM entry WHERE entry.account LIKE 'tenant:%:prepaid' GROUP BY entry.account
  ON CONFLICT(tenant, project, period) DO UPDATE SET spent_micro = excluded.spent_micro,
    spent_pico = excluded.spent_pico;
INSERT INTO setting(name, value) VALUES('compute_costs_due', 1);
{payments}
)",
};

std::string InDialect(Dialect dialect, const char* sql) {
  const char* serial = dialect == Dialect::kSqlite
                           ? "INTEGER PRIMARY KEY AUTOINCREMENT"
                           : "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY";
  const char* by_key = dialect == Dialect::kSqlite ? " WITHOUT ROWID" : "";
  const char* by_time = dialect == Dialect::kSqlite ? "(ended_us)" : " USING brin(ended_us)";
  const char* month = dialect == Dialect::kSqlite
                          ? "CAST(strftime('%Y%m', admitted_us / 1000000, 'unixepoch') AS BIGINT)"
                          : "CAST(to_char(to_timestamp(admitted_us / 1000000) AT TIME ZONE 'UTC', "
                            "'YYYYMM') AS BIGINT)";
  // SQLite has the entries in the order of their transfers.
  const char* payments =
      dialect == Dialect::kSqlite
          ? ""
          : "CREATE INDEX entry_payment ON entry(account) WHERE transfer LIKE 'topup:%';";
  return absl::StrReplaceAll(sql, {{"{serial}", serial},
                                   {"{payments}", payments},
                                   {"{by_key}", by_key},
                                   {"{by_time}", by_time},
                                   {"{admitted_month}", month}});
}

absl::Status RunSteps(Connection& connection) {
  if (connection.dialect() == Dialect::kPostgres) {
    // Any number, the same in all servers of this program.
    WL_RETURN_IF_ERROR(connection.RunScript("SELECT pg_advisory_xact_lock(7341295)"));
  }
  WL_RETURN_IF_ERROR(
      connection.RunScript("CREATE TABLE IF NOT EXISTS schema_version(version BIGINT NOT NULL)"));
  WL_ASSIGN_OR_RETURN(const Result found, connection.Run("SELECT version FROM schema_version", {}));
  const int64_t version = found.rows.empty() ? 0 : IntegerOf(found.rows[0][0]);
  if (version > SchemaVersion()) {
    return absl::FailedPreconditionError(
        absl::StrCat("the database has schema version ", version, ", and this waferd knows up to ",
                     SchemaVersion(), ": start the newer waferd that made it"));
  }
  for (int64_t step = version; step < SchemaVersion(); ++step) {
    WL_RETURN_IF_ERROR(connection.RunScript(InDialect(connection.dialect(), kSteps[step])));
  }
  const char* const record = found.rows.empty() ? "INSERT INTO schema_version(version) VALUES($1)"
                                                : "UPDATE schema_version SET version = $1";
  return connection.Run(record, {SchemaVersion()}).status();
}

}  // namespace

int64_t SchemaVersion() { return std::size(kSteps); }

absl::Status Migrate(Connection& connection) {
  WL_RETURN_IF_ERROR(connection.Begin());
  absl::Status status = RunSteps(connection);
  if (status.ok()) status = connection.Commit();
  if (!status.ok()) connection.Rollback();
  return status;
}

absl::Status RequireVersion(Connection& connection) {
  const absl::StatusOr<Result> found = connection.Run("SELECT version FROM schema_version", {});
  const bool none = !found.ok() || found->rows.empty();
  if (!none && IntegerOf(found->rows[0][0]) == SchemaVersion()) return absl::OkStatus();
  if (none && !absl::IsInternal(found.status())) return found.status();
  return absl::FailedPreconditionError(
      absl::StrCat("the database has schema version ", none ? 0 : IntegerOf(found->rows[0][0]),
                   ", and this program reads ", SchemaVersion(),
                   ": a waferd of this version brings it up to date when it starts"));
}

}  // namespace waferline::store
