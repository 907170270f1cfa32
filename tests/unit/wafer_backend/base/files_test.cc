#include "wafer_backend/base/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <filesystem>
#include <string>
#include <thread>

#include "absl/strings/match.h"
#include "tests/support/temporary_folder.h"

namespace waferline {
namespace {

using test::TemporaryFolder;

TEST_CASE("a file comes back as it was written, whatever its bytes and length") {
  const TemporaryFolder folder;
  const std::string path = folder.File("any");
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
  const TemporaryFolder folder;
  const std::string path = folder.File("durable");
  for (const char* text : {"first", "", "the second"}) {
    REQUIRE(WriteFileDurably(path, text).ok());
    CHECK(*ReadFile(path) == text);
  }
  CHECK_FALSE(std::filesystem::exists(path + ".new"));
  const std::string pipe = folder.File("unread");
  REQUIRE(mkfifo(pipe.c_str(), 0600) == 0);
  CHECK(WriteFileAtOnce(pipe, "text").message().find("cannot write /") == 0);  // and does not wait
  CHECK(WriteFileDurably(folder.File("no/file"), "").message().find("cannot write /") == 0);
}

TEST_CASE("what cannot be read or written is named") {
  const TemporaryFolder folder;
  const auto has = [](const absl::Status& status, const std::string& part) {
    INFO(status.ToString());
    return status.message().find(part) != absl::string_view::npos;
  };
  const absl::Status gone = ReadFile(folder.File("gone")).status();
  CHECK(gone.code() == absl::StatusCode::kNotFound);
  CHECK(has(gone, "cannot read /"));
  CHECK(has(ReadFile(folder.path()).status(), "is a folder"));
  REQUIRE(WriteFile(folder.File("nine"), "123456789").ok());
  CHECK(has(ReadFile(folder.File("nine"), 8).status(), "is larger than 8 bytes"));
  CHECK(ReadFile(folder.File("nine"), 9).ok());
  CHECK(has(WriteFile(folder.File("no/file"), ""), "cannot write /"));
}

TEST_CASE("what is not a regular file is refused by name, and not waited for") {
  const TemporaryFolder folder;
  const auto says = [](const std::string& path, const std::string& what) {
    for (const absl::Status& status :
         {ReadFile(path).status(), CheckRegularFile(path, 9), CheckRegularFileOrNew(path)}) {
      INFO(status.ToString());
      CHECK(absl::EndsWith(status.message(), path + what));
    }
  };
  const std::string pipe = folder.File("pipe"), loop = folder.File("loop");
  REQUIRE(mkfifo(pipe.c_str(), 0600) == 0);
  REQUIRE(symlink(loop.c_str(), loop.c_str()) == 0);
  says(pipe, " is a pipe, not a regular file");
  says(folder.path(), " is a folder, not a regular file");
  says("/dev/zero", " is a device, not a regular file");
  says(loop, ": Too many levels of symbolic links");
  CHECK(CheckRegularFileOrNew(folder.File("gone")).ok());
  CHECK(absl::IsNotFound(CheckRegularFile(folder.File("gone"), 9)));
}

TEST_CASE("a pipe from another program is read to its end, and no further than the bound") {
  const TemporaryFolder folder;
  const std::string pipe = folder.File("from_another");
  unlink(pipe.c_str());
  REQUIRE(mkfifo(pipe.c_str(), 0600) == 0);
  for (const size_t length : {5, 300'000}) {
    std::signal(SIGPIPE, SIG_IGN);
    std::thread other([&] { (void)WriteFile(pipe, std::string(length, 'x')); });
    const auto text = ReadFileOrPipe(pipe, 5);
    other.join();
    CHECK(text.ok() == (length == 5));
  }
  CHECK_FALSE(ReadFileOrPipe("/dev/zero").ok());
}

TEST_CASE("a pipe without a writer is not waited for, a writer that is slow is") {
  const TemporaryFolder folder;
  const std::string pipe = folder.File("pipe");
  REQUIRE(mkfifo(pipe.c_str(), 0600) == 0);
  const absl::Status unwritten = ReadFileOrPipe(pipe).status();
  CHECK(absl::IsUnavailable(unwritten));
  CHECK(unwritten.message() == pipe + " is a pipe without a writer; start its writer first");
  std::thread other([&] {
    const int end = open(pipe.c_str(), O_WRONLY);
    sleep(3);
    CHECK(write(end, "late", 4) == 4);
    close(end);
  });
  const auto text = ReadFileOrPipe(pipe);
  other.join();
  CHECK(*text == "late");
}

TEST_CASE("anything but a folder is refused by its kind") {
  const TemporaryFolder folder;
  const std::string file = folder.File("file");
  REQUIRE(WriteFile(file, "").ok());
  CHECK(CheckFolder(folder.path()).ok());
  CHECK(CheckFolder(file).message() == file + " is a file, not a folder");
  CHECK(CheckFolder("/dev/null").message() == "/dev/null is a device, not a folder");
  CHECK(absl::IsNotFound(CheckFolder(folder.File("gone"))));
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
