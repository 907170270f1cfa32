#include "wafer_backend/base/locked_file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <string>
#include <utility>

#include "tests/support/temporary_folder.h"

namespace waferline {
namespace {

using test::TemporaryFolder;

TEST_CASE("a file has one taker at a time, and its own user alone reads it") {
  const TemporaryFolder folder;
  const std::string path = folder.File("it");
  CHECK_FALSE(LockedFile::IsTaken(path));
  {
    auto first = LockedFile::Take(path);
    REQUIRE(first.ok());
    const LockedFile kept = *std::move(first);
    CHECK(kept.descriptor() >= 0);
    CHECK(LockedFile::IsTaken(path));
    CHECK(absl::IsAlreadyExists(LockedFile::Take(path).status()));
  }
  CHECK_FALSE(LockedFile::IsTaken(path));
  CHECK(LockedFile::Take(path).ok());
  struct stat info;
  REQUIRE(stat(path.c_str(), &info) == 0);
  CHECK((info.st_mode & 077) == 0);
}

TEST_CASE("what is not a plain file is refused, and not waited for") {
  const TemporaryFolder folder;
  const std::string pipe = folder.File("pipe");
  REQUIRE(mkfifo(pipe.c_str(), 0600) == 0);
  CHECK(absl::IsFailedPrecondition(LockedFile::Take(pipe).status()));
  CHECK_FALSE(LockedFile::IsTaken(pipe));
  CHECK(absl::IsFailedPrecondition(LockedFile::Take("/dev/null").status()));
  const absl::Status is_folder = LockedFile::Take(folder.path()).status();
  CHECK(absl::IsUnavailable(is_folder));
  CHECK(is_folder.message() == folder.path() + ": is a folder; name a file in it");
  const std::string missing = folder.File("no");
  const absl::Status no_folder = LockedFile::Take(missing + "/file").status();
  CHECK(absl::IsUnavailable(no_folder));
  CHECK(no_folder.message() ==
        missing + "/file: there is no folder " + missing + "; make it: mkdir -p '" + missing + "'");
}

}  // namespace
}  // namespace waferline
