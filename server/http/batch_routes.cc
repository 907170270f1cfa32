#include "server/http/batch_routes.h"

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/batches/batch_view.h"
#include "server/http/batch_line.h"
#include "server/http/list_query.h"
#include "server/http/model_routes.h"
#include "server/http/multipart.h"
#include "server/openai/api_error.h"
#include "server/openai/fields.h"
#include "server/openai/json_text.h"
#include "server/serving/limits.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"

namespace waferline::http {
namespace {

namespace json = boost::json;
using batches::BatchBook;
using batches::Key;

using openai::FieldError;

constexpr std::string_view kFilesPath = "/v1/files/";
constexpr std::string_view kBatchesPath = "/v1/batches/";
constexpr int64_t kMaxFilesListed = 10'000;
constexpr int64_t kMaxBatchesListed = 100;
constexpr size_t kMaxPairs = 16;  // of metadata, as OpenAI bounds them
constexpr size_t kMaxPairKey = 64;
constexpr size_t kMaxPairValue = 512;

using Ask = std::function<absl::StatusOr<std::string>(BatchBook& book)>;

// Answers with what `ask` gives; it may wait for the database.
void Answer(Generations& generations, const Call& call, Ask ask,
            std::string content_type = "application/json") {
  BatchBook* const book = generations.batches().book;
  if (book == nullptr) {
    const absl::Status none = absl::UnimplementedError(
        "files and batches are kept in a database, and this server has none: start waferd with "
        "--state-dir DIR, or give billing.store");
    return generations.SendError(*call.exchange, none, Nanoseconds(0));
  }
  const auto answer = std::make_shared<absl::StatusOr<std::string>>();
  generations.RunLong(
      call, [book, ask = std::move(ask), answer] { *answer = ask(*book); },
      [&generations, call, answer, type = std::move(content_type)] {
        if (!answer->ok()) {
          return generations.SendError(*call.exchange, answer->status(), Nanoseconds(0));
        }
        call.exchange->Send({.content_type = type, .body = **std::move(answer)});
      });
}

Key BatchKeyOf(const Call& call, std::string_view before, std::string_view after = "") {
  const std::string_view path = WithoutAlias(call.exchange->request().path);
  return {call.caller.tenant,
          std::string(path.substr(before.size(), path.size() - before.size() - after.size()))};
}

std::string NewId(Generations& generations, const char* kind) {
  serving::RequestIdSource& ids = *generations.deps().ids;
  return absl::StrCat(kind, absl::Hex(ids.NewSeed(), absl::kZeroPad16),
                      absl::Hex(ids.NewSeed() >> 32, absl::kZeroPad8));
}

int64_t NowUs(Generations& generations) {
  return generations.deps().clock.unix_seconds() * 1'000'000;
}

// The file of a form, and its content.
absl::StatusOr<std::pair<batches::File, std::string>> ReadUpload(const Request& request) {
  WL_ASSIGN_OR_RETURN(const std::vector<FormPart> parts,
                      ReadForm(request.Header("content-type"), request.body));
  batches::File file;
  const FormPart* content = nullptr;
  for (const FormPart& part : parts) {
    if (part.name == "file") {
      content = &part;
    } else if (part.name == "purpose") {
      file.purpose = part.content;
    } else {
      return FieldError(part.name,
                        "is not supported: the form has purpose and file; files are "
                        "kept until they are deleted");
    }
  }
  if (file.purpose != "batch") return FieldError("purpose", "must be batch");
  if (content == nullptr) return FieldError("file", "is missing");
  if (content->content.find('\0') != std::string_view::npos || !openai::IsUtf8(content->content)) {
    return FieldError("file", "is not UTF-8 text");
  }
  file.name = openai::ToUtf8(content->file_name.substr(0, serving::kMaxNameBytes));
  file.bytes = static_cast<int64_t>(content->content.size());
  return std::pair(std::move(file), std::string(content->content));
}

absl::Status CheckMetadata(openai::Fields& fields, json::value* metadata) {
  const json::object* const pairs = fields.Object("metadata");
  if (pairs == nullptr) return fields.status();
  if (pairs->size() > kMaxPairs) {
    fields.Fail("metadata", absl::StrCat("must have at most ", kMaxPairs, " pairs"));
  }
  for (const auto& pair : *pairs) {
    const bool text = pair.value().is_string() && pair.value().get_string().size() <= kMaxPairValue;
    if (pair.key().size() > kMaxPairKey || !text) {
      fields.Fail("metadata", absl::StrCat("has strings of at most ", kMaxPairKey,
                                           " bytes as keys and ", kMaxPairValue, " as values"));
    }
  }
  *metadata = *pairs;
  return fields.status();
}

absl::StatusOr<batches::BatchOrder> ReadOrder(std::string_view body) {
  WL_ASSIGN_OR_RETURN(const json::object object, openai::ParseObject(body));
  openai::Fields fields(object);
  fields.RefuseOthers({"input_file_id", "endpoint", "completion_window", "metadata"});
  batches::BatchOrder order;
  fields.Text("input_file_id", serving::kMaxNameBytes, &order.input_file);
  fields.Text("endpoint", serving::kMaxNameBytes, &order.endpoint);
  fields.Text("completion_window", serving::kMaxNameBytes, &order.window);
  fields.Require({"input_file_id", "endpoint", "completion_window"});
  const std::vector<std::string> known = BatchEndpoints();
  if (fields.ok() && std::find(known.begin(), known.end(), order.endpoint) == known.end()) {
    fields.Fail("endpoint", absl::StrCat("must be one of ", absl::StrJoin(known, ", ")));
  }
  if (fields.ok() && order.window != "24h") fields.Fail("completion_window", "must be 24h");
  WL_RETURN_IF_ERROR(CheckMetadata(fields, &order.metadata));
  return order;
}

}  // namespace

void AddFile(Generations& generations, const Call& call) {
  const std::string id = NewId(generations, "file-");
  Answer(generations, call,
         [call, id, now = NowUs(generations)](BatchBook& book) -> absl::StatusOr<std::string> {
           WL_ASSIGN_OR_RETURN(auto upload, ReadUpload(call.exchange->request()));
           auto& [file, content] = upload;
           file.key = {call.caller.tenant, id};
           file.created_us = now;
           WL_RETURN_IF_ERROR(book.AddFile(file, std::move(content)));
           return json::serialize(batches::FileView(file));
         });
}

void ListFiles(Generations& generations, const Call& call) {
  Answer(generations, call, [call](BatchBook& book) -> absl::StatusOr<std::string> {
    WL_ASSIGN_OR_RETURN(const batches::Page page,
                        ReadListQuery(call.exchange->request().query, {.limit = kMaxFilesListed,
                                                                       .max_limit = kMaxFilesListed,
                                                                       .ordered = true,
                                                                       .of_files = true}));
    WL_ASSIGN_OR_RETURN(const auto files, book.Files(call.caller.tenant, page));
    std::vector<json::object> views;
    for (const batches::File& file : files) views.push_back(batches::FileView(file));
    return batches::ListView(std::move(views), page.limit);
  });
}

void OneFile(Generations& generations, const Call& call) {
  Answer(generations, call,
         [key = BatchKeyOf(call, kFilesPath)](BatchBook& book) -> absl::StatusOr<std::string> {
           WL_ASSIGN_OR_RETURN(const batches::File file, book.GetFile(key));
           return json::serialize(batches::FileView(file));
         });
}

void DeleteFile(Generations& generations, const Call& call) {
  Answer(generations, call,
         [key = BatchKeyOf(call, kFilesPath)](BatchBook& book) -> absl::StatusOr<std::string> {
           WL_RETURN_IF_ERROR(book.DeleteFile(key));
           return batches::DeletedView(key.id);
         });
}

void FileContent(Generations& generations, const Call& call) {
  Answer(
      generations, call,
      [key = BatchKeyOf(call, kFilesPath, "/content")](BatchBook& book) {
        return book.Content(key);
      },
      "application/octet-stream");
}

void AddBatch(Generations& generations, const Call& call) {
  const Key key{call.caller.tenant, NewId(generations, "batch_")};
  Answer(generations, call,
         [&generations, call, key,
          now = NowUs(generations)](BatchBook& book) -> absl::StatusOr<std::string> {
           WL_ASSIGN_OR_RETURN(const batches::BatchOrder order,
                               ReadOrder(call.exchange->request().body));
           const batches::Batch batch = batches::NewBatch(key, call.caller.key_id, order, now);
           const absl::Status added = book.AddBatch(batch, order.input_file);
           if (absl::IsNotFound(added)) return openai::WithParam(added, "input_file_id");
           WL_RETURN_IF_ERROR(added);
           generations.batches().wake();
           return json::serialize(batches::BatchView(batch));
         });
}

void ListBatches(Generations& generations, const Call& call) {
  Answer(generations, call, [call](BatchBook& book) -> absl::StatusOr<std::string> {
    WL_ASSIGN_OR_RETURN(const batches::Page page, ReadListQuery(call.exchange->request().query,
                                                                {.max_limit = kMaxBatchesListed}));
    WL_ASSIGN_OR_RETURN(const auto found, book.Batches(call.caller.tenant, page));
    std::vector<json::object> views;
    for (const batches::Batch& batch : found) views.push_back(batches::BatchView(batch));
    return batches::ListView(std::move(views), page.limit);
  });
}

void OneBatch(Generations& generations, const Call& call) {
  Answer(generations, call,
         [key = BatchKeyOf(call, kBatchesPath)](BatchBook& book) -> absl::StatusOr<std::string> {
           WL_ASSIGN_OR_RETURN(const batches::Batch batch, book.GetBatch(key));
           return json::serialize(batches::BatchView(batch));
         });
}

void CancelBatch(Generations& generations, const Call& call) {
  Answer(generations, call,
         [&generations, key = BatchKeyOf(call, kBatchesPath, "/cancel"),
          now = NowUs(generations)](BatchBook& book) -> absl::StatusOr<std::string> {
           WL_ASSIGN_OR_RETURN(const batches::Batch batch, book.Cancel(key, now));
           generations.batches().wake();
           return json::serialize(batches::BatchView(batch));
         });
}

}  // namespace waferline::http
