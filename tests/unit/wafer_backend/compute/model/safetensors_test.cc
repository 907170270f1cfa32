#include "wafer_backend/compute/model/safetensors.h"

#include <catch2/catch.hpp>
#include <cstring>

#include "tests/support/checkpoint_writer.h"

namespace waferline::model {
namespace {

std::string Headed(const std::string& header, size_t data, uint64_t announced = 0) {
  const uint64_t size = announced == 0 ? header.size() : announced;
  return std::string(reinterpret_cast<const char*>(&size), sizeof(size)) + header +
         std::string(data, 'd');
}

std::string HeaderErrorOf(const std::string& bytes) {
  return std::string(ReadSafetensors(std::as_bytes(std::span(bytes))).status().message());
}

TEST_CASE("tensors come in the order of their bytes") {
  const std::string bytes =
      test::SafetensorsBytes(std::vector<test::CheckpointTensor>{{"b", "F32", {2}, "aaaabbbb"},
                                                                 {"a", "BF16", {1, 3}, "xxyyzz"}},
                             3);
  const auto tensors = ReadSafetensors(std::as_bytes(std::span(bytes)));
  INFO(tensors.status());
  REQUIRE(tensors->size() == 2);
  CHECK((*tensors)[0].name == "b");
  CHECK((*tensors)[1].shape == std::vector<int64_t>{1, 3});
  CHECK(std::memcmp((*tensors)[1].bytes.data(), "xxyyzz", 6) == 0);
  CHECK(HeaderErrorOf(Headed("{}", 0)).empty());
}

TEST_CASE("a header that lies is refused") {
  struct Case {
    std::string bytes, named;
  };
  const auto one = [](const std::string& entry, size_t data = 8) {
    return Headed(R"({"w": )" + entry + "}", data);
  };
  const auto two = [](const std::string& first, const std::string& second) {
    return Headed(R"({"a": {"dtype": "F32", "shape": [2], "data_offsets": )" + first +
                      R"(}, "b": {"dtype": "F32", "shape": [2], "data_offsets": )" + second + "}}",
                  16);
  };
  const std::vector<Case> cases = {
      {"", "the header's length"},
      {"1234567", "the header's length"},
      {Headed("{}", 0, 3), "the file ends within the header"},
      {Headed("{}", 0, uint64_t{1} << 40), "a header of 1099511627776 bytes is announced"},
      {Headed("{}", 0, ~uint64_t{0}), "at most 100000000"},
      {Headed("{", 0), "not valid JSON at byte 1"},
      {Headed("[]", 0), "expected an object"},
      {one("3"), "tensor \"w\": its entry is not an object"},
      {one("{}"), "'dtype' is missing"},
      {one(R"({"dtype": "F12", "shape": [2], "data_offsets": [0, 8]})"), "\"F12\" is not known"},
      {one(R"({"dtype": "F32", "shape": [0], "data_offsets": [0, 0]})", 0), "shape holds 0"},
      {one(R"({"dtype": "F32", "shape": [-2], "data_offsets": [0, 8]})"), "shape holds -2"},
      {one(R"({"dtype": "F32", "shape": [4294967296, 4294967296, 4294967296], "data_offsets": [0, 8]})"),
       "shape holds 4294967296"},
      {one(R"({"dtype": "F32", "shape": [1,1,1,1,2], "data_offsets": [0, 8]})"), "at most 4 items"},
      {one(R"({"dtype": "F32", "shape": [2], "data_offsets": [8, 0]})"), "data_offsets is not"},
      {one(R"({"dtype": "F32", "shape": [2], "data_offsets": [0]})"), "data_offsets is not"},
      {one(R"({"dtype": "BF16", "shape": [2], "data_offsets": [0, 8]})"),
       "2 elements of BF16 take 4"},
      {one(R"({"dtype": "F32", "shape": [2], "data_offsets": [0, 8]})", 7),
       "the file has only 7 bytes of data"},
      {one(R"({"dtype": "F32", "shape": [2], "data_offsets": [0, 8]})", 9),
       "the tensors end at byte 8 of 9"},
      {two("[0, 8]", "[4, 12]"),
       "tensor \"b\": its bytes begin at 4, where 8 is expected: it overlaps"},
      {two("[0, 8]", "[0, 8]"), "it overlaps"},
      {two("[8, 16]", "[4, 12]"), "there is a gap"},
  };
  for (const Case& c : cases) {
    const std::string error = HeaderErrorOf(c.bytes);
    INFO("wanted: " << c.named << ", error: " << error);
    CHECK(error.find(c.named) != std::string::npos);
  }
}

}  // namespace
}  // namespace waferline::model
