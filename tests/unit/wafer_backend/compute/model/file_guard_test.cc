#include "wafer_backend/compute/model/file_guard.h"

#include <stdlib.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "tests/support/random_model.h"
#include "tests/support/temporary_folder.h"

namespace waferline::model {
namespace {

namespace fs = std::filesystem;

// A model's file, of which two parts are read later: the embedding table and a norm.
class Guarded {
 public:
  Guarded() {
    test::GgufWriter writer = test::RandomModel({});
    writer.WriteFile(path_);
    file_ = *GgufFile::Open(path_);
    table_ = file_->FindTensor("token_embd.weight")->bytes;
    norm_ = file_->FindTensor("output_norm.weight")->bytes;
    guard_ = *FileGuard::Create(file_, file_->Look(), {table_, norm_});
    was_.assign(table_.begin(), table_.end());
    std::ifstream file(path_, std::ios::binary);
    const std::string all((std::istreambuf_iterator<char>(file)), {});
    table_at_ = static_cast<std::streamoff>(
        all.find(std::string_view(reinterpret_cast<const char*>(table_.data()), table_.size())));
  }

  // A later time of change, as a coarse clock may not give.
  void Touch() {
    fs::last_write_time(path_, fs::last_write_time(path_) + std::chrono::seconds(++touched_));
  }
  void Write(std::span<const std::byte> part, std::span<const std::byte> bytes) {
    std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(table_at_ + (part.data() - table_.data()));
    file.write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
    file.close();
    Touch();
  }
  absl::Status Check() const { return guard_->Check(); }
  bool TableIsAsItWas() const { return std::equal(table_.begin(), table_.end(), was_.begin()); }

  const test::TemporaryFolder folder_;
  const std::string path_ = folder_.File("model.gguf");
  std::span<const std::byte> table_, norm_;
  std::vector<std::byte> was_;  // the table

 private:
  std::shared_ptr<const GgufFile> file_;
  std::unique_ptr<const FileGuard> guard_;
  std::streamoff table_at_ = 0;  // in the file
  int touched_ = 0;
};

TEST_CASE("a file that is touched is as it was, and what becomes of it later changes nothing") {
  Guarded model;
  CHECK(model.Check().ok());
  model.Touch();
  CHECK(model.Check().ok());
  const std::vector<std::byte> other(model.table_.size(), std::byte{7});
  model.Write(model.table_, other);
  CHECK(model.Check().ok());
  CHECK(model.TableIsAsItWas());
  REQUIRE(truncate(model.path_.c_str(), 64) == 0);
  CHECK(model.Check().ok());
  CHECK(model.TableIsAsItWas());
}

TEST_CASE("a part that is written is found, and found to be right again") {
  Guarded model;
  std::vector<std::byte> norm(model.norm_.begin(), model.norm_.end());
  std::vector<std::byte> other = norm;
  other.back() ^= std::byte{1};
  model.Write(model.norm_, other);
  for (int i = 0; i < 2; ++i) {
    CHECK(absl::IsDataLoss(model.Check()));
    CHECK_THAT(std::string(model.Check().message()), Catch::Contains(model.path_));
  }
  model.Touch();
  CHECK(absl::IsDataLoss(model.Check()));
  model.Write(model.norm_, norm);
  CHECK(model.Check().ok());
}

TEST_CASE("a file that is cut is not as it was, until what was cut off is there again") {
  Guarded model;
  const std::vector<std::byte> norm(model.norm_.begin(), model.norm_.end());
  REQUIRE(truncate(model.path_.c_str(), 64) == 0);
  CHECK(model.table_.back() == std::byte{0});  // a page that reads as zeros from now on
  CHECK(absl::IsDataLoss(model.Check()));
  model.Write(model.table_, model.was_);
  model.Write(model.norm_, norm);
  CHECK(model.Check().ok());
  CHECK(model.TableIsAsItWas());
}

TEST_CASE("a file that changes while it is loaded is refused") {
  const test::TemporaryFolder folder;
  const std::string path = folder.File("model.gguf");
  test::RandomModel({}).WriteFile(path);
  const auto file = *GgufFile::Open(path);
  const GgufFile::Facts before = file->Look();
  fs::last_write_time(path, fs::last_write_time(path) + std::chrono::seconds(1));
  CHECK(absl::IsDataLoss(FileGuard::Create(file, before, {}).status()));
}

}  // namespace
}  // namespace waferline::model
