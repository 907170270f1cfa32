#include "wafer_backend/compute/model/gguf.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <limits>

#include "tests/support/gguf_writer.h"
#include "tests/support/random_model.h"
#include "tests/support/temporary_folder.h"
#include "wafer_backend/base/seeded_stream.h"
#include "wafer_backend/compute/model/families/families.h"
#include "wafer_backend/compute/model/tokenizer.h"
#include "wafer_backend/compute/model/weights.h"

namespace waferline::model {
namespace {

using test::GgufWriter;

std::string ErrorOf(std::string bytes) {
  return std::string(GgufFile::FromBytes(std::move(bytes)).status().message());
}

template <typename T>
std::string Raw(T value) {
  return std::string(reinterpret_cast<const char*>(&value), sizeof(value));
}

TEST_CASE("metadata comes back by type, and errors name the key") {
  GgufWriter writer(GENERATE(2u, 3u));
  writer.SetUint("a.uint", 7).SetFloat("a.float", 1.5f).SetBool("a.bool", true);
  writer.SetString("a.string", "text").SetStrings("a.strings", {"x", "", "z"});
  writer.SetFloats("a.floats", {1, 2.5f}).SetInts("a.ints", {3, -4});
  writer.SetRaw("a.i8", 1, Raw<int8_t>(-5)).SetRaw("a.u64", 10, Raw<uint64_t>(1ull << 40));
  writer.SetRaw("a.f64", 12, Raw<double>(0.25)).SetRaw("a.nan", 6, Raw<float>(NAN));
  auto file = GgufFile::FromBytes(writer.Bytes());
  REQUIRE(file.ok());
  const Metadata& m = (*file)->metadata();
  REQUIRE(*m.Uint("a.uint") == 7);
  REQUIRE(*m.Float("a.float") == 1.5);
  REQUIRE(*m.Bool("a.bool"));
  REQUIRE(*m.String("a.string") == "text");
  const auto strings = *m.Strings("a.strings");
  REQUIRE(std::vector<std::string_view>(strings.begin(), strings.end()) ==
          std::vector<std::string_view>{"x", "", "z"});
  REQUIRE(*m.Floats("a.floats") == std::vector<float>{1, 2.5f});
  REQUIRE(*m.Ints("a.ints") == std::vector<int32_t>{3, -4});
  REQUIRE(*m.Uint("a.u64") == 1ull << 40);
  REQUIRE(*m.Float("a.f64") == 0.25);
  REQUIRE(*m.UintOr("a.none", 9) == 9);
  REQUIRE(m.entries().size() == 11);
  REQUIRE(m.entries()[0].key == "a.uint");

  REQUIRE(absl::IsNotFound(m.Uint("a.none").status()));
  REQUIRE(m.Uint("a.i8").status().message() ==
          "metadata key \"a.i8\" is a negative integer, expected an integer that is not negative");
  REQUIRE(m.UintOr("a.string", 9).status().message() ==
          "metadata key \"a.string\" is a string, expected an integer that is not negative");
  REQUIRE(m.Float("a.nan").status().message() == "metadata key \"a.nan\" is not a finite number");
  REQUIRE_FALSE(m.Strings("a.floats").ok());
  REQUIRE_FALSE(m.Floats("a.ints").ok());
}

TEST_CASE("tensors lie where the file says, at any alignment") {
  const uint32_t alignment = GENERATE(8u, 32u, 4096u);
  GgufWriter writer(3, alignment);
  writer.AddTensor("one", 0, {3}, "aaaabbbbcccc");
  writer.AddTensor("two", 8, {32, 2}, std::string(68, 'q'));
  auto file = GgufFile::FromBytes(writer.Bytes());
  INFO(file.status().message());
  REQUIRE(file.ok());
  const GgufTensor* one = (*file)->FindTensor("one");
  REQUIRE(one != nullptr);
  REQUIRE(std::memcmp(one->bytes.data(), "aaaabbbbcccc", 12) == 0);
  const GgufTensor* two = (*file)->FindTensor("two");
  REQUIRE(two->bytes.size() == 68);
  REQUIRE(two->rows() == 2);
  REQUIRE(two->ShapeText() == "[32, 2]");
  REQUIRE(two->bytes.data() - one->bytes.data() == std::max<ptrdiff_t>(alignment, 16));
  REQUIRE((*file)->FindTensor("three") == nullptr);
}

TEST_CASE("a file on disk is mapped; what cannot be opened is named") {
  const test::TemporaryFolder temporary;
  const std::string path = temporary.File("a.gguf");
  test::RandomModel({}).WriteFile(path);
  {
    auto file = GgufFile::Open(path);
    REQUIRE(file.ok());
    REQUIRE((*file)->name() == path);
    REQUIRE(BindWeights(*file).ok());
  }
  std::ofstream(path, std::ios::trunc).close();
  REQUIRE(GgufFile::Open(path).status().message().find("is empty") != std::string::npos);
  std::ofstream(path) << "PK not a model";
  REQUIRE(GgufFile::Open(path).status().message().find("not a GGUF file") != std::string::npos);
  unlink(path.c_str());
  REQUIRE(mkfifo(path.c_str(), 0600) == 0);  // nobody will ever write to it
  REQUIRE(GgufFile::Open(path).status().message().find("is a pipe, not a regular file") !=
          std::string::npos);
  unlink(path.c_str());
  const absl::Status missing = GgufFile::Open(path).status();
  REQUIRE(absl::IsNotFound(missing));
  REQUIRE(missing.message().find(path) != std::string::npos);
  const absl::Status folder = GgufFile::Open("/proc").status();
  REQUIRE(absl::IsNotFound(folder));
  REQUIRE(folder.message().find("/proc/config.json") != std::string::npos);
}

TEST_CASE("what was released to the system is there again when it is read") {
  const test::TemporaryFolder temporary;
  const std::string path = temporary.File("a.gguf");
  test::RandomModel({}).WriteFile(path);
  {
    auto file = GgufFile::Open(path);
    REQUIRE(file.ok());
    for (const GgufTensor& tensor : (*file)->tensors()) {
      const std::vector<std::byte> before(tensor.bytes.begin(), tensor.bytes.end());
      (*file)->Release(tensor.bytes);
      REQUIRE(std::equal(before.begin(), before.end(), tensor.bytes.begin()));
    }
  }
}

TEST_CASE("headers that lie are refused before memory is taken for them") {
  const uint64_t huge = std::numeric_limits<uint64_t>::max();
  const auto header = [](uint32_t version, uint64_t tensors, uint64_t pairs) {
    return "GGUF" + Raw(version) + Raw(tensors) + Raw(pairs);
  };
  struct Case {
    std::string bytes;
    std::string named;
  };
  GgufWriter twice;
  twice.AddTensor("t", 0, {1}, "aaaa").AddTensor("t", 0, {1}, "aaaa");
  const std::string pair = Raw<uint64_t>(1) + "k" + Raw<uint32_t>(7) + Raw<uint8_t>(1);
  const auto tensor = [](uint32_t rank, std::vector<uint64_t> dims, uint32_t type) {
    GgufWriter writer;
    writer.AddTensor("weight", type, dims, std::string(64, 0));
    std::string bytes = writer.Bytes();
    std::memcpy(bytes.data() + 24 + 8 + 6, &rank, 4);
    return bytes;
  };
  const auto aligned = [](uint32_t alignment) {
    return GgufWriter().SetUint("general.alignment", alignment).Bytes();
  };
  const std::vector<Case> cases = {
      {"", "magic"},
      {"GGUF", "version"},
      {header(1, 0, 0), "version 1"},
      {header(4, 0, 0), "version 4"},
      {header(0x03000000, 0, 0), "big-endian"},
      {header(3, huge, 0), "tensors"},
      {header(3, 0, huge), "metadata keys"},
      {header(3, 0, 2) + pair + pair, "\"k\" occurs more than once"},
      {header(3, 0, 1) + Raw(huge) + std::string(16, 'x'), "metadata key 1 of 1"},
      {header(3, 0, 1) + Raw<uint64_t>(1) + "k" + Raw<uint32_t>(13) + "xxxx", "value type 13"},
      {header(3, 0, 1) + Raw<uint64_t>(1) + "k" + Raw<uint32_t>(7) + "\x02", "\"k\": bool"},
      {header(3, 0, 1) + Raw<uint64_t>(1) + "k" + Raw<uint32_t>(9) + Raw<uint32_t>(8) + Raw(huge),
       "strings does not fit"},
      {header(3, 0, 1) + Raw<uint64_t>(1) + "k" + Raw<uint32_t>(9) + Raw<uint32_t>(6) +
           Raw(huge / 2),
       "does not fit"},
      {header(3, 0, 1) + Raw<uint64_t>(1) + "k" + Raw<uint32_t>(9) + Raw<uint32_t>(9) +
           Raw<uint64_t>(1) + "xxxx",
       "array of value type 9"},
      {twice.Bytes(), "\"t\" occurs more than once"},
      {tensor(0, {4}, 0), "rank 0"},
      {tensor(5, {4}, 0), "rank 5"},
      {tensor(1, {0}, 0), "dimension 0"},
      {tensor(2, {1ull << 40, 1ull << 40}, 0), "dimension 1"},
      {tensor(4, {1ull << 32, 1ull << 32, 1ull << 32, 1ull << 32}, 0), "dimension 1"},
      {tensor(1, {17}, 0), "beyond the end"},
      {tensor(1, {33}, 8), "Q8_0 blocks of 32"},
      {aligned(0), "general.alignment"},
      {aligned(24), "general.alignment"},
      {aligned(1u << 31), "general.alignment"},
  };
  for (const Case& c : cases) {
    const std::string error = ErrorOf(c.bytes);
    INFO("wanted: " << c.named << ", error: " << error);
    CHECK(error.find(c.named) != std::string::npos);
  }
}

TEST_CASE("names in messages are cut and escaped") {
  GgufWriter writer;
  writer.SetRaw(std::string(1000, '\n'), 99, "");
  const std::string error = ErrorOf(writer.Bytes());
  REQUIRE(error.size() < 400);
  REQUIRE(error.find('\n') == std::string::npos);
}

// Reads everything that the product reads of a file.
bool Works(const std::string& bytes) {
  auto file = GgufFile::FromBytes(bytes);
  if (!file.ok()) return false;
  const bool weights = BindWeights(*file).ok();
  auto tokenizer = TokenizerFromGguf(**file);
  if (tokenizer.ok()) (*tokenizer)->Decode((*tokenizer)->Encode("the wafer, \xff"));
  return weights && tokenizer.ok();
}

TEST_CASE("a file cut anywhere is refused or works, and never crashes") {
  test::RandomModelSpec spec;
  spec.layers = 1;
  spec.hidden = 32;
  spec.ffn = 32;
  spec.heads = 2;
  spec.kv_heads = 1;
  spec.dtype = kernels::DType::kQ4_0;
  spec.vocabulary =
      GENERATE(test::VocabularyKind::kSentencePiece, test::VocabularyKind::kBytePairs);
  const std::string whole = test::RandomModelBytes(spec);
  REQUIRE(Works(whole));
  size_t worked = 0;
  for (size_t size = 0; size < whole.size(); ++size) {
    if (Works(whole.substr(0, size))) ++worked;
  }
  // Only the padding after the last tensor may be missing.
  REQUIRE(worked < 32);
}

TEST_CASE("a file with any byte changed is refused or works, and never crashes") {
  test::RandomModelSpec spec;
  spec.layers = 1;
  spec.dtype = kernels::DType::kQ8_0;
  const std::string whole = test::RandomModelBytes(spec);
  const uint64_t seed = 20240607;
  INFO("seed " << seed);
  SeededStream numbers(seed);
  size_t refused = 0;
  for (int i = 0; i < 3000; ++i) {
    std::string changed = whole;
    for (uint64_t n = 1 + numbers.Next() % 4; n > 0; --n) {
      // Mostly in the header, where a change matters.
      changed[numbers.Next() % 14000 % whole.size()] = static_cast<char>(numbers.Next());
    }
    refused += Works(changed) ? 0 : 1;
  }
  REQUIRE(refused > 0);
  REQUIRE(refused < 3000);
}

}  // namespace
}  // namespace waferline::model
