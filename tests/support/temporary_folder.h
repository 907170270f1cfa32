// An empty folder of a test's own, removed with all that is in it. No two runs share one, so that
// what a killed run left behind fails no later one.
#pragma once

#include <stdlib.h>

#include <filesystem>
#include <string>

#include "wafer_backend/base/check.h"

namespace waferline::test {

class TemporaryFolder {
 public:
  TemporaryFolder() : path_(std::filesystem::temp_directory_path() / "waferline-test-XXXXXX") {
    WL_CHECK(mkdtemp(path_.data()) != nullptr);
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::string& path() const { return path_; }
  std::string File(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace waferline::test
