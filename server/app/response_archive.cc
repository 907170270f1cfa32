#include "server/app/response_archive.h"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <string>
#include <vector>

#include "wafer_backend/base/status.h"

namespace waferline::app {
namespace {

namespace json = boost::json;
using store::Connection;
using store::Value;

constexpr char kErase[] = "DELETE FROM response WHERE tenant = $1 AND id = $2";
constexpr char kInsert[] =
    "INSERT INTO response(tenant, id, created_us, document, messages) VALUES($1, $2, $3, $4, $5)";
constexpr char kFind[] = "SELECT document, messages FROM response WHERE tenant = $1 AND id = $2";
constexpr char kEraseOldest[] =
    "DELETE FROM response WHERE tenant = $1 AND created_us < (SELECT created_us FROM response "
    "WHERE tenant = $1 ORDER BY created_us DESC LIMIT 1 OFFSET $2)";

std::vector<Value> ValuesOf(const openai::ResponseKey& key) {
  return {Value(std::string(key.tenant)), Value(std::string(key.id))};
}

}  // namespace

void DatabaseOfResponses::Keep(const openai::ResponseKey& key,
                               std::shared_ptr<const openai::StoredResponse> response) {
  const size_t bytes = response->document.size();
  if (!writer_.MayAdmit().ok() || *waiting_bytes_ + bytes > kMaxWaitingBytes) return;
  *waiting_bytes_ += bytes;
  writer_.Post(
      [name = ValuesOf(key), response, now = unix_us_()](Connection& connection) {
        // Again after a failure it gives the same.
        WL_RETURN_IF_ERROR(connection.Run(kErase, name).status());
        WL_RETURN_IF_ERROR(connection
                               .Run(kInsert, {name[0], name[1], now, response->document,
                                              json::serialize(response->messages)})
                               .status());
        return connection.Run(kEraseOldest, {name[0], kMaxOfTenant - 1}).status();
      },
      [waiting = waiting_bytes_, bytes](const absl::Status&) { *waiting -= bytes; });
}

absl::StatusOr<store::Result> DatabaseOfResponses::Ask(const std::string& sql,
                                                       const openai::ResponseKey& key) {
  const MutexLock lock(&mutex_);
  if (connection_ == nullptr || !connection_->alive()) {
    WL_ASSIGN_OR_RETURN(connection_, store_->Connect());
  }
  return connection_->Run(sql, ValuesOf(key));
}

absl::StatusOr<openai::StoredResponse> DatabaseOfResponses::Find(const openai::ResponseKey& key) {
  WL_ASSIGN_OR_RETURN(const store::Result found, Ask(kFind, key));
  if (found.rows.empty()) return absl::NotFoundError("no such response");
  openai::StoredResponse response{.document = store::TextOf(found.rows[0][0]), .messages = {}};
  json::error_code error;
  const json::value messages =
      json::parse(store::TextOf(found.rows[0][1]), error, {}, {.max_depth = 1000});
  if (error || !messages.is_array()) {
    return absl::DataLossError("the database's record of this response is damaged");
  }
  response.messages = messages.get_array();
  return response;
}

absl::Status DatabaseOfResponses::Erase(const openai::ResponseKey& key) {
  WL_ASSIGN_OR_RETURN(const store::Result found, Ask(kErase, key));
  // Also what still waits to be written.
  writer_.Post([name = ValuesOf(key)](
                   Connection& connection) { return connection.Run(kErase, name).status(); },
               nullptr);
  return found.changed > 0 ? absl::OkStatus() : absl::NotFoundError("no such response");
}

}  // namespace waferline::app
