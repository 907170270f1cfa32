#include "wafer_backend/base/files.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <string>

namespace waferline {
namespace {

std::filesystem::path Folder() {
  const auto folder = std::filesystem::temp_directory_path() / "waferline_files_test";
  std::filesystem::create_directories(folder);
  return folder;
}

TEST_CASE("a file comes back as it was written, whatever its bytes and length") {
  const std::string path = Folder() / "any";
  for (const size_t length : {size_t{0}, size_t{1}, size_t{65536}, size_t{300'001}}) {
    std::string text(length, '\0');
    for (size_t i = 0; i < length; ++i) text[i] = static_cast<char>(i * 7);
    REQUIRE(WriteFile(path, text).ok());
    REQUIRE(*ReadFile(path) == text);
    OutputFile file;
    REQUIRE(file.Open(path).ok());
    file.stream() << text << "end";
    REQUIRE(file.Close().ok());
    REQUIRE(*ReadFile(path) == text + "end");
  }
  REQUIRE(ReadFile("/proc/self/status")->find("Name:") == 0);  // a size of 0, but not empty
}

TEST_CASE("a file that is on the disk when it is written is whole, and leaves nothing behind") {
  const std::string path = Folder() / "durable";
  for (const char* text : {"first", "", "the second"}) {
    REQUIRE(WriteFileDurably(path, text).ok());
    CHECK(*ReadFile(path) == text);
  }
  CHECK_FALSE(std::filesystem::exists(path + ".new"));
  CHECK(WriteFileDurably(Folder() / "no" / "file", "").message().find("cannot write /") == 0);
}

TEST_CASE("what cannot be read or written is named") {
  const auto has = [](const absl::Status& status, const std::string& part) {
    INFO(status.ToString());
    return status.message().find(part) != absl::string_view::npos;
  };
  const absl::Status gone = ReadFile(Folder() / "gone").status();
  CHECK(gone.code() == absl::StatusCode::kNotFound);
  CHECK(has(gone, "cannot read /"));
  CHECK(has(ReadFile(Folder()).status(), "is a folder"));
  REQUIRE(WriteFile(Folder() / "nine", "123456789").ok());
  CHECK(has(ReadFile(Folder() / "nine", 8).status(), "is larger than 8 bytes"));
  CHECK(ReadFile(Folder() / "nine", 9).ok());
  CHECK(has(WriteFile(Folder() / "no" / "file", ""), "cannot write /"));
}

TEST_CASE("a device that is full fails the write") {
  CHECK(WriteFile("/dev/full", "text").message() ==
        "cannot write /dev/full: No space left on device");
  OutputFile file;
  REQUIRE(file.Open("/dev/full").ok());
  file.stream() << "text";
  CHECK(!file.Close().ok());
}

}  // namespace
}  // namespace waferline
