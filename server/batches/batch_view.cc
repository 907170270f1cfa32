#include "server/batches/batch_view.h"

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/strings.h"

namespace waferline::batches {
namespace {

namespace json = boost::json;

constexpr int64_t kSecondUs = 1'000'000;
// In a batch's errors; its error file has all.
constexpr size_t kMaxFaultsShown = 100;

std::string RowId(const Key& batch, int64_t line) {
  return absl::StrCat("batch_req_", batch.id.substr(batch.id.find('_') + 1), "_", line);
}

json::value TextOrNull(const std::string& text) {
  return text.empty() ? json::value(nullptr) : json::value(text);
}

}  // namespace

json::object FileView(const File& file) {
  return {{"id", file.key.id},     {"object", "file"},
          {"bytes", file.bytes},   {"created_at", file.created_us / kSecondUs},
          {"filename", file.name}, {"purpose", file.purpose},
          {"status", "processed"}};
}

std::string DeletedView(std::string_view id) {
  return json::serialize(json::object{
      {"id", json::string_view(id.data(), id.size())}, {"object", "file"}, {"deleted", true}});
}

Batch NewBatch(const Key& key, const std::string& key_id, const BatchOrder& order, int64_t now_us) {
  Batch batch{.key = key,
              .key_id = key_id,
              .created_us = now_us,
              .status = "validating",
              .view = {{"id", key.id},
                       {"object", "batch"},
                       {"endpoint", order.endpoint},
                       {"errors", nullptr},
                       {"input_file_id", order.input_file},
                       {"completion_window", order.window},
                       {"output_file_id", nullptr},
                       {"error_file_id", nullptr},
                       {"created_at", now_us / kSecondUs},
                       {"expires_at", (now_us + kWindowUs) / kSecondUs},
                       {"request_counts", {{"total", 0}, {"completed", 0}, {"failed", 0}}},
                       {"metadata", order.metadata}}};
  for (const char* at : {"in_progress_at", "finalizing_at", "completed_at", "failed_at",
                         "expired_at", "cancelling_at", "cancelled_at"}) {
    batch.view[at] = nullptr;
  }
  return batch;
}

json::object BatchView(const Batch& batch) {
  json::object view = batch.view;
  view["status"] = batch.status;
  return view;
}

void SetStatus(Batch* batch, const std::string& status, int64_t now_us) {
  batch->status = status;
  batch->view[status + "_at"] = now_us / kSecondUs;
}

void SetCounts(Batch* batch, int64_t completed, int64_t failed) {
  json::object& counts = batch->view["request_counts"].as_object();
  counts["completed"] = completed;
  counts["failed"] = failed;
}

void SetTotal(Batch* batch, int64_t total) {
  batch->view["request_counts"].as_object()["total"] = total;
}

int64_t ExpiresAtUs(const Batch& batch) { return batch.created_us + kWindowUs; }

std::string TextOf(const Batch& batch, std::string_view field) {
  const json::value* const value = batch.view.if_contains({field.data(), field.size()});
  return value != nullptr && value->is_string() ? std::string(value->get_string().c_str()) : "";
}

void AddFault(Batch* batch, const Fault& fault) {
  json::value& errors = batch->view["errors"];
  if (errors.is_null()) errors = json::object{{"object", "list"}, {"data", json::array()}};
  json::array& data = errors.as_object()["data"].as_array();
  if (data.size() >= kMaxFaultsShown) return;
  data.push_back({{"code", fault.code},
                  {"message", fault.message},
                  {"param", nullptr},
                  {"line", fault.line == 0 ? json::value(nullptr) : json::value(fault.line)}});
}

std::string ListView(std::vector<json::object> data, int64_t limit) {
  const bool more = static_cast<int64_t>(data.size()) > limit;
  if (more) data.resize(static_cast<size_t>(limit));
  json::object list{{"object", "list"}, {"has_more", more}, {"first_id", ""}};
  list["last_id"] = "";
  if (!data.empty()) {
    list["first_id"] = data.front()["id"];
    list["last_id"] = data.back()["id"];
  }
  json::array items;
  for (json::object& item : data) items.push_back(std::move(item));
  list["data"] = std::move(items);
  return json::serialize(list);
}

std::string ResponseRow(const AnswerRow& row, int code, const std::string& request_id,
                        const std::string& body) {
  return absl::StrCat("{\"id\":\"", RowId(row.batch, row.line),
                      "\",\"custom_id\":", json::serialize(json::value(row.custom_id)),
                      ",\"line\":", row.line, ",\"response\":{\"status_code\":", code,
                      ",\"request_id\":", json::serialize(json::value(request_id)),
                      ",\"body\":", body, "},\"error\":null}");
}

std::string FaultRow(const Key& batch, const Fault& fault) {
  return json::serialize(
      json::object{{"id", RowId(batch, fault.line)},
                   {"custom_id", TextOrNull(fault.custom_id)},
                   {"line", fault.line},
                   {"response", nullptr},
                   {"error", {{"code", fault.code}, {"message", fault.message}}}});
}

}  // namespace waferline::batches
