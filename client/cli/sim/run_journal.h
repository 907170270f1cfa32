// What a long search has found so far, in a file of JSON lines, so that it goes on where it was
// interrupted. The first line says which search it belongs to. A last line that was not written to
// its end is ignored and overwritten. Thread: one at a time.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <fstream>
#include <map>
#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace waferline::cli {

class RunJournal {
 public:
  // Reads the file, or begins it. InvalidArgument if it is not a journal, or another search's: the
  // message names the first field of `search` that differs. Unavailable if it cannot be written.
  static absl::StatusOr<std::unique_ptr<RunJournal>> Open(const std::string& path,
                                                          const boost::json::object& search);

  // Null if the run is not in the journal.
  const boost::json::object* Find(const std::string& run) const;
  // On disk when it returns; Unavailable if that failed.
  absl::Status Add(const std::string& run, const boost::json::object& result);
  size_t read() const { return read_; }  // runs that Open found

 private:
  explicit RunJournal(std::string path) : path_(std::move(path)) {}
  absl::Status Read(const std::string& text, const boost::json::object& search);

  const std::string path_;
  std::map<std::string, boost::json::object> runs_;
  size_t read_ = 0;
  size_t whole_bytes_ = 0;  // of the lines that were read
  std::ofstream out_;
};

}  // namespace waferline::cli
