#include "client/cli/sim/run_journal.h"

#include <boost/json.hpp>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/files.h"
#include "wafer_backend/base/status.h"

namespace waferline::cli {
namespace {

namespace json = boost::json;

absl::Status CheckSearch(const std::string& path, const json::object& found,
                         const json::object& search) {
  for (const auto& [field, value] : search) {
    const json::value* const other = found.if_contains(field);
    if (other != nullptr && *other == value) continue;
    return absl::InvalidArgumentError(
        absl::StrCat(path, " belongs to another search: ", std::string(field), " is ",
                     other == nullptr ? "missing" : json::serialize(*other), " there, ",
                     json::serialize(value), " here"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status RunJournal::Read(const std::string& text, const json::object& search) {
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = text.find('\n', begin);
    if (end == std::string::npos) break;  // not written to its end
    boost::system::error_code error;
    const json::value line = json::parse(text.substr(begin, end - begin), error);
    const json::object* const object = error ? nullptr : line.if_object();
    const char* const field = begin == 0 ? "search" : "result";
    const json::value* const body = object == nullptr ? nullptr : object->if_contains(field);
    const json::value* const run = object == nullptr ? nullptr : object->if_contains("run");
    if (body == nullptr || !body->is_object() ||
        (begin > 0 && (run == nullptr || !run->is_string()))) {
      return absl::InvalidArgumentError(absl::StrCat(path_, ": not a journal of waferctl sim"));
    }
    if (begin == 0) {
      WL_RETURN_IF_ERROR(CheckSearch(path_, body->as_object(), search));
    } else {
      runs_[json::value_to<std::string>(*run)] = body->as_object();
    }
    begin = whole_bytes_ = end + 1;
  }
  read_ = runs_.size();
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<RunJournal>> RunJournal::Open(const std::string& path,
                                                             const json::object& search) {
  std::unique_ptr<RunJournal> journal(new RunJournal(path));
  std::error_code error;
  const bool exists = std::filesystem::exists(path, error);
  if (exists) {
    WL_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
    WL_RETURN_IF_ERROR(journal->Read(text, search));
    std::filesystem::resize_file(path, journal->whole_bytes_, error);
  }
  journal->out_.open(path, std::ios::app | std::ios::binary);
  if (journal->whole_bytes_ == 0) {
    journal->out_ << json::serialize(json::object{{"search", search}}) << "\n" << std::flush;
  }
  if (error || !journal->out_) {
    return absl::UnavailableError(absl::StrCat(path, ": cannot be written"));
  }
  return journal;
}

const json::object* RunJournal::Find(const std::string& run) const {
  const auto found = runs_.find(run);
  return found == runs_.end() ? nullptr : &found->second;
}

absl::Status RunJournal::Add(const std::string& run, const json::object& result) {
  out_ << json::serialize(json::object{{"run", run}, {"result", result}}) << "\n" << std::flush;
  if (!out_) return absl::UnavailableError(absl::StrCat(path_, ": cannot be written"));
  return absl::OkStatus();
}

}  // namespace waferline::cli
