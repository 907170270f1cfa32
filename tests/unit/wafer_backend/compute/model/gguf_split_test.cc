#include "wafer_backend/compute/model/gguf_split.h"

#include <catch2/catch.hpp>
#include <filesystem>

#include "tests/support/random_model.h"
#include "tests/support/temporary_folder.h"
#include "wafer_backend/compute/model/families/families.h"
#include "wafer_backend/compute/model/tokenizer.h"

namespace waferline::model {
namespace {

using test::GgufWriter;

// A random model in parts: the first has the metadata, each tensor is in one.
class SplitModel {
 public:
  explicit SplitModel(int parts) : parts_(parts) {
    for (int part = 0; part < parts; ++part) {
      GgufWriter& writer = writers_.emplace_back(part == 0 ? test::RandomModel({}) : GgufWriter());
      if (part == 0) total_ = writer.TensorCount();
      writer.SetRaw("split.no", 2, Raw<uint16_t>(part))
          .SetRaw("split.count", 2, Raw<uint16_t>(parts));
      writer.SetInts("ignored.by.all", {1, 2})
          .SetRaw("split.tensors.count", 5, Raw<int32_t>(total_));
    }
    for (int i = total_ - 1; i >= 0; --i) writers_[0].MoveTensor(i, writers_[i % parts]);
  }

  GgufWriter& part(int index) { return writers_[index]; }
  int total() const { return total_; }
  std::string PathOf(int number) const {
    return SplitPath{folder_.File("random"), 1, static_cast<uint32_t>(parts_)}.PathOf(number);
  }
  absl::StatusOr<std::shared_ptr<const GgufFile>> Open(int number = 1) {
    for (int i = 0; i < parts_; ++i) writers_[i].WriteFile(PathOf(i + 1));
    return GgufFile::Open(PathOf(number));
  }
  std::string Error() { return std::string(Open().status().message()); }

  template <typename T>
  static std::string Raw(int value) {
    const T number = static_cast<T>(value);
    return std::string(reinterpret_cast<const char*>(&number), sizeof(number));
  }

 private:
  const int parts_;
  const test::TemporaryFolder folder_;
  std::vector<GgufWriter> writers_;
  int total_ = 0;
};

TEST_CASE("a split model is the whole one, whichever part is opened") {
  SplitModel split(3);
  const auto whole = *GgufFile::FromBytes(test::RandomModelBytes({}));
  const auto parts = split.Open(GENERATE(1, 2, 3));
  INFO(parts.status());
  REQUIRE(parts.ok());
  CHECK((*parts)->format() == "GGUF version 3 in 3 files");
  REQUIRE((*parts)->tensors().size() == whole->tensors().size());
  for (const GgufTensor& tensor : whole->tensors()) {
    const GgufTensor* same = (*parts)->FindTensor(tensor.name);
    REQUIRE(same != nullptr);
    CHECK(std::equal(tensor.bytes.begin(), tensor.bytes.end(), same->bytes.begin(),
                     same->bytes.end()));
    (*parts)->Release(same->bytes);
    CHECK(std::equal(tensor.bytes.begin(), tensor.bytes.end(), same->bytes.begin(),
                     same->bytes.end()));
  }
  CHECK(BindWeights(*parts).ok());
  CHECK(TokenizerFromGguf(**parts).ok());
}

TEST_CASE("a part that is missing is named") {
  SplitModel split(3);
  REQUIRE(split.Open().ok());
  std::filesystem::remove(split.PathOf(2));
  for (int number : {1, 3}) {
    const absl::Status status = GgufFile::Open(split.PathOf(number)).status();
    CHECK(absl::IsNotFound(status));
    CHECK(status.message() == "part 2 of 3 of the model is missing: " + split.PathOf(2));
  }
}

TEST_CASE("parts that disagree are refused, by the part's name") {
  SplitModel split(2);
  const std::string second = split.PathOf(2) + ": ";
  SECTION("number") {
    split.part(1).SetUint("split.no", 0);
    CHECK(split.Error() == second + "split.no is 0, expected 1 by the file's name");
  }
  SECTION("count") {
    split.part(1).SetUint("split.count", 3);
    CHECK(split.Error() == second + "split.count is 3, expected 2 by the file's name");
  }
  SECTION("no keys") {
    split.part(1).Erase("split.count");
    CHECK(split.Error() == second + "metadata key \"split.count\" is missing");
  }
  SECTION("tensors announced") {
    split.part(1).SetUint("split.tensors.count", 5);
    CHECK(split.Error() == second + "split.tensors.count is 5, expected " +
                               std::to_string(split.total()) + " as in part 1");
  }
  SECTION("metadata") {
    split.part(1).SetString("general.architecture", "qwen2");
    CHECK(split.Error() ==
          second + "metadata key \"general.architecture\" has another value than in part 1");
  }
  SECTION("arrays") {
    split.part(1).SetInts("ignored.by.all", {1, 3});
    CHECK(split.Error().find("ignored.by.all") != std::string::npos);
  }
  SECTION("a tensor twice") {
    split.part(1).AddTensor("output_norm.weight", 0, {1}, "aaaa");
    split.part(0).AddTensor("output_norm.weight", 0, {1}, "aaaa");
    CHECK(split.Error().find("tensor \"output_norm.weight\" occurs more than once") !=
          std::string::npos);
  }
  SECTION("a tensor too few") {
    split.part(1).EraseTensor("output_norm.weight");
    split.part(0).EraseTensor("output_norm.weight");
    CHECK(split.Error().find("the 2 parts hold " + std::to_string(split.total() - 1) +
                             " tensors") != std::string::npos);
  }
  SECTION("a damaged part") {
    REQUIRE(split.Open().ok());
    std::filesystem::resize_file(split.PathOf(2), 40);
    CHECK(std::string(GgufFile::Open(split.PathOf(1)).status().message()).find(second) == 0);
  }
}

TEST_CASE("a part under a name that does not lead to the others") {
  SplitModel split(2);
  REQUIRE(split.Open().ok());
  const std::string renamed = split.PathOf(1) + ".gguf";
  std::filesystem::rename(split.PathOf(1), renamed);
  const std::string error(GgufFile::Open(renamed).status().message());
  CHECK(error.find("is one of 2 parts (split.count)") != std::string::npos);
  CHECK(error.find("NAME-00001-of-00002.gguf") != std::string::npos);
}

TEST_CASE("the whole model in one part is a file like any other") {
  SplitModel split(1);
  CHECK(split.Open().ok());
  CHECK((*split.Open())->format() == "GGUF version 3");
}

TEST_CASE("which names are those of parts") {
  const auto parsed = SplitPath::Parse("a/b-00002-of-00010.gguf");
  REQUIRE(parsed);
  CHECK((parsed->prefix == "a/b" && parsed->number == 2 && parsed->count == 10));
  CHECK(parsed->PathOf(10) == "a/b-00010-of-00010.gguf");
  for (const char* other :
       {"", "b.gguf", "b-00000-of-00002.gguf", "b-00003-of-00002.gguf", "b-0001-of-00002.gguf",
        "b-00001-of-0000x.gguf", "-00001-of-00002.gguf", "b-00001-of-00002.bin"}) {
    CHECK_FALSE(SplitPath::Parse(other));
  }
  CHECK(std::string(GgufFile::Open("b-00001-of-99999.gguf").status().message())
            .find("at most 4096") != std::string::npos);
}

}  // namespace
}  // namespace waferline::model
