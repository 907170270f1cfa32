#include "server/store/store.h"

#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "server/store/postgres_store.h"
#include "server/store/schema.h"
#include "server/store/sqlite_store.h"
#include "wafer_backend/base/status.h"

namespace waferline::store {
namespace {

constexpr char kSqlite[] = "sqlite:";

absl::StatusOr<std::unique_ptr<Store>> MakeStore(const std::string& url, Durability durability) {
  if (url.starts_with(kSqlite) && url.size() > sizeof(kSqlite) - 1) {
    return OpenSqliteStore(url.substr(sizeof(kSqlite) - 1), durability);
  }
  if (url.starts_with("postgresql://") || url.starts_with("postgres://")) {
    return MakePostgresStore(url);
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "'", url, "' is not a store: allowed are sqlite:PATH and postgresql://HOST/DATABASE"));
}

absl::Status Named(const Store& store, const absl::Status& status) {
  if (status.ok()) return status;
  return {status.code(), DescribeTrouble(store, status)};
}

}  // namespace

std::string DescribeTrouble(const Store& store, const absl::Status& status) {
  const auto detail = status.GetPayload(kOperatorDetail);
  return absl::StrCat(store.Describe(), ": ",
                      detail ? std::string(*detail) : std::string(status.message()));
}

int64_t IntegerOf(const Value& value) {
  const auto* number = std::get_if<int64_t>(&value);
  return number == nullptr ? 0 : *number;
}

std::string TextOf(const Value& value) {
  const auto* text = std::get_if<std::string>(&value);
  return text == nullptr ? "" : *text;
}

absl::StatusOr<std::vector<Result>> Connection::RunAll(const std::vector<Statement>& statements) {
  std::vector<Result> results;
  for (const Statement& statement : statements) {
    WL_ASSIGN_OR_RETURN(Result result, Run(*statement.sql, statement.values));
    if (statement.changes && result.changed != *statement.changes) {
      return absl::UnavailableError("the usage database: rows were there already, or are gone");
    }
    results.push_back(std::move(result));
  }
  return results;
}

absl::StatusOr<std::unique_ptr<Store>> OpenStore(const std::string& url, Durability durability) {
  WL_ASSIGN_OR_RETURN(std::unique_ptr<Store> store, MakeStore(url, durability));
  const absl::StatusOr<std::unique_ptr<Connection>> connection = store->Connect();
  const absl::Status ready = connection.ok() ? Migrate(**connection) : connection.status();
  WL_RETURN_IF_ERROR(Named(*store, ready));
  return store;
}

absl::StatusOr<std::unique_ptr<Store>> OpenStoreToRead(const std::string& url) {
  std::unique_ptr<Store> store;
  if (url.starts_with(kSqlite) && url.size() > sizeof(kSqlite) - 1) {
    WL_ASSIGN_OR_RETURN(store, OpenSqliteStoreToRead(url.substr(sizeof(kSqlite) - 1)));
  } else {
    WL_ASSIGN_OR_RETURN(store, MakeStore(url, Durability::kProcess));
  }
  const absl::StatusOr<std::unique_ptr<Connection>> connection = store->Connect();
  const absl::Status ready = connection.ok() ? RequireVersion(**connection) : connection.status();
  WL_RETURN_IF_ERROR(Named(*store, ready));
  return store;
}

}  // namespace waferline::store
