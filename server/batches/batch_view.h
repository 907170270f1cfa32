// How files, batches and the rows of their answers look to clients, as OpenAI's reference has them.
// Pure functions.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "server/batches/batch.h"

namespace waferline::batches {

boost::json::object FileView(const File& file);
std::string DeletedView(std::string_view id);

// What a client asks for.
struct BatchOrder {
  std::string input_file;
  std::string endpoint;
  std::string window;
  boost::json::value metadata;  // an object, or null
};
Batch NewBatch(const Key& key, const std::string& key_id, const BatchOrder& order, int64_t now_us);
// The view with its status.
boost::json::object BatchView(const Batch& batch);

// The status, and when it came to it.
void SetStatus(Batch* batch, const std::string& status, int64_t now_us);
void SetCounts(Batch* batch, int64_t completed, int64_t failed);
void SetTotal(Batch* batch, int64_t total);
int64_t ExpiresAtUs(const Batch& batch);
std::string TextOf(const Batch& batch, std::string_view field);

// A fault of the input: of a line, or (0) of the whole.
struct Fault {
  int64_t line = 0;
  std::string code;
  std::string message;
  std::string custom_id;  // "": the line has none
};
void AddFault(Batch* batch, const Fault& fault);

// {"object":"list", ...} of up to `limit` of `data`, which has one more if there are more.
std::string ListView(std::vector<boost::json::object> data, int64_t limit);

// Rows of the output and error files. `line` names the line of the input.
struct AnswerRow {
  const Key& batch;
  int64_t line;
  const std::string& custom_id;
};
// `body` is JSON.
std::string ResponseRow(const AnswerRow& row, int code, const std::string& request_id,
                        const std::string& body);
std::string FaultRow(const Key& batch, const Fault& fault);

}  // namespace waferline::batches
