#include "server/batches/batch_book.h"

#include <chrono>
#include <future>
#include <optional>

#include "absl/strings/str_cat.h"
#include "server/batches/batch_view.h"

namespace waferline::batches {
namespace {

using store::Connection;

// The writer says within its patience whether work is committed, unless it stops.
constexpr std::chrono::seconds kMaxCommitWait{10};

absl::Status NoSuch(const char* what, const std::string& id) {
  return absl::NotFoundError(absl::StrCat("there is no ", what, " '", id.substr(0, 128), "'"));
}

template <typename T>
absl::StatusOr<T> OrNotFound(absl::StatusOr<std::optional<T>> found, const char* what,
                             const std::string& id) {
  if (!found.ok()) return found.status();
  if (!found->has_value()) return NoSuch(what, id);
  return **std::move(found);
}

absl::Status CheckRoom(Connection& connection, const File& file) {
  WL_ASSIGN_OR_RETURN(const FileSums sums, SumFiles(connection, file.key.tenant));
  if (sums.files < kMaxFiles && sums.bytes + file.bytes <= kMaxFileBytes) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("there are ", sums.files, " files of ", sums.bytes,
                                                 " bytes; at most ", kMaxFiles, " of ",
                                                 kMaxFileBytes, " bytes are kept: delete some"));
}

}  // namespace

absl::Status BatchBook::Connect() {
  if (connection_ != nullptr && connection_->alive()) return absl::OkStatus();
  WL_ASSIGN_OR_RETURN(connection_, store_->Connect());
  return absl::OkStatus();
}

absl::Status BatchBook::Write(store::Writer::Work work) {
  WL_RETURN_IF_ERROR(writer_->MayAdmit());
  const auto done = std::make_shared<std::promise<absl::Status>>();
  std::future<absl::Status> result = done->get_future();
  writer_->Post(std::move(work), [done](const absl::Status& status) { done->set_value(status); });
  if (result.wait_for(kMaxCommitWait) != std::future_status::ready) {
    return absl::UnavailableError("the usage database cannot be written to now");
  }
  return result.get();
}

absl::Status BatchBook::AddFile(const File& file, std::string content) {
  const auto text = std::make_shared<const std::string>(std::move(content));
  return Write([file, text](Connection& connection) -> absl::Status {
    // Again after a failure it gives the same.
    WL_ASSIGN_OR_RETURN(const auto there, FindFile(connection, file.key));
    if (there) return absl::OkStatus();
    WL_RETURN_IF_ERROR(CheckRoom(connection, file));
    return InsertFile(connection, file, *text);
  });
}

absl::StatusOr<File> BatchBook::GetFile(const Key& key) {
  return OrNotFound(Read([&](Connection& c) { return FindFile(c, key); }), "file", key.id);
}

absl::StatusOr<std::string> BatchBook::Content(const Key& key) {
  return OrNotFound(Read([&](Connection& c) { return FileContent(c, key); }), "file", key.id);
}

absl::StatusOr<std::vector<File>> BatchBook::Files(const std::string& tenant, const Page& page) {
  if (!page.after.empty()) WL_RETURN_IF_ERROR(GetFile({tenant, page.after}).status());
  return Read([&](Connection& c) { return ListFiles(c, tenant, page); });
}

absl::Status BatchBook::DeleteFile(const Key& key) {
  WL_RETURN_IF_ERROR(GetFile(key).status());
  return Write([key](Connection& connection) { return EraseFile(connection, key); });
}

absl::Status BatchBook::AddBatch(const Batch& batch, const std::string& input_file) {
  return Write(
      [batch, input = Key{batch.key.tenant, input_file}](Connection& connection) -> absl::Status {
        WL_ASSIGN_OR_RETURN(const auto there, FindBatch(connection, batch.key));
        if (there) return absl::OkStatus();
        WL_ASSIGN_OR_RETURN(const auto file, FindFile(connection, input));
        if (!file) return NoSuch("file", input.id);
        if (file->purpose != "batch") {
          return absl::InvalidArgumentError(absl::StrCat("the purpose of file '", input.id, "' is ",
                                                         file->purpose, ", and must be batch"));
        }
        WL_ASSIGN_OR_RETURN(const int64_t open, CountOpen(connection, batch.key.tenant));
        if (open >= kMaxOpenBatches) {
          return absl::InvalidArgumentError(absl::StrCat(
              open, " batches are not complete; at most ", kMaxOpenBatches, " may wait at once"));
        }
        return InsertBatch(connection, batch);
      });
}

absl::StatusOr<Batch> BatchBook::GetBatch(const Key& key) {
  WL_ASSIGN_OR_RETURN(
      Batch batch,
      OrNotFound(Read([&](Connection& c) { return FindBatch(c, key); }), "batch", key.id));
  if (!IsOpen(batch.status)) return batch;
  WL_ASSIGN_OR_RETURN(const ResultSums sums,
                      Read([&](Connection& c) { return SumResults(c, key); }));
  SetCounts(&batch, sums.completed, sums.failed);
  return batch;
}

absl::StatusOr<std::vector<Batch>> BatchBook::Batches(const std::string& tenant, const Page& page) {
  if (!page.after.empty()) WL_RETURN_IF_ERROR(GetBatch({tenant, page.after}).status());
  WL_ASSIGN_OR_RETURN(std::vector<Batch> batches,
                      Read([&](Connection& c) { return ListBatches(c, tenant, page); }));
  for (Batch& batch : batches) {
    if (!IsOpen(batch.status)) continue;
    WL_ASSIGN_OR_RETURN(const ResultSums sums,
                        Read([&](Connection& c) { return SumResults(c, batch.key); }));
    SetCounts(&batch, sums.completed, sums.failed);
  }
  return batches;
}

absl::StatusOr<Batch> BatchBook::Cancel(const Key& key, int64_t now_us) {
  WL_RETURN_IF_ERROR(Write([key, now_us](Connection& connection) -> absl::Status {
    WL_ASSIGN_OR_RETURN(auto batch, FindBatch(connection, key));
    if (!batch) return NoSuch("batch", key.id);
    if (batch->status == "cancelling" || batch->status == "cancelled") return absl::OkStatus();
    if (!IsOpen(batch->status) || batch->status == "finalizing") {
      return absl::InvalidArgumentError(
          absl::StrCat("batch '", key.id, "' is ", batch->status, " and cannot be cancelled"));
    }
    SetStatus(&*batch, "cancelling", now_us);
    return MoveBatch(connection, *batch, "validating", "in_progress").status();
  }));
  return GetBatch(key);
}

}  // namespace waferline::batches
