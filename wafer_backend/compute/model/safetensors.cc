#include "wafer_backend/compute/model/safetensors.h"

#include <algorithm>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <cstring>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/json_fields.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/compute/model/byte_reader.h"
#include "wafer_backend/compute/model/json_file.h"

namespace waferline::model {
namespace {

namespace json = boost::json;

constexpr uint64_t kMaxHeaderBytes = 100'000'000;
constexpr size_t kMaxRank = 4;
constexpr int64_t kMaxElements = int64_t{1} << 48;

struct OtherType {
  std::string_view name;
  int64_t bytes;
};
constexpr OtherType kOtherTypes[] = {{"BOOL", 1}, {"U8", 1},  {"I8", 1},  {"F8_E4M3", 1},
                                     {"U16", 2},  {"I16", 2}, {"U32", 4}, {"F8_E5M2", 1},
                                     {"I32", 4},  {"U64", 8}, {"I64", 8}, {"F64", 8}};

// Sets dtype, and gives the bytes of an element.
absl::StatusOr<int64_t> ReadType(SafeTensor& tensor) {
  using kernels::DType;
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16}) {
    if (kernels::Name(dtype) != tensor.type) continue;
    tensor.dtype = dtype;
    return kernels::BytesFor(dtype, 1).count();
  }
  for (const OtherType& type : kOtherTypes) {
    if (type.name == tensor.type) return type.bytes;
  }
  return absl::UnimplementedError(absl::StrCat("dtype ", Quoted(tensor.type), " is not known"));
}

struct Entry {
  SafeTensor tensor;
  uint64_t begin = 0;
  uint64_t end = 0;
};

absl::StatusOr<Entry> ReadEntry(std::string_view name, const json::value& value) {
  if (!value.is_object()) return absl::InvalidArgumentError("its entry is not an object");
  JsonFields fields(value.get_object());
  Entry entry{.tensor = {.name = std::string(name)}};
  fields.Require({"dtype", "shape", "data_offsets"});
  fields.Text("dtype", 32, &entry.tensor.type);
  const json::array* shape = fields.Array("shape", kMaxRank);
  const json::array* offsets = fields.Array("data_offsets", 2);
  WL_RETURN_IF_ERROR(fields.status());
  WL_ASSIGN_OR_RETURN(const int64_t element, ReadType(entry.tensor));
  int64_t elements = 1;
  for (const json::value& size : *shape) {
    int64_t number = 0;
    if (!AsInteger(size, &number) || number < 1 || number > kMaxElements / elements) {
      return absl::InvalidArgumentError(
          absl::StrCat("shape holds ", std::string(json::serialize(size)),
                       ", expected sizes from 1 whose product is at most ", kMaxElements));
    }
    elements *= number;
    entry.tensor.shape.push_back(number);
  }
  int64_t begin = 0;
  int64_t end = 0;
  if (offsets->size() != 2 || !AsInteger((*offsets)[0], &begin) ||
      !AsInteger((*offsets)[1], &end) || begin < 0 || end < begin) {
    return absl::InvalidArgumentError("data_offsets is not [BEGIN, END] with 0 <= BEGIN <= END");
  }
  if (end - begin != elements * element) {
    return absl::InvalidArgumentError(
        absl::StrCat("data_offsets are ", end - begin, " bytes apart, but ", elements,
                     " elements of ", entry.tensor.type, " take ", elements * element));
  }
  entry.begin = static_cast<uint64_t>(begin);
  entry.end = static_cast<uint64_t>(end);
  return entry;
}

absl::Status InTensor(std::string_view name, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat("tensor ", Quoted(name), ": ", status.message()));
}

absl::StatusOr<std::vector<Entry>> ReadEntries(const json::object& header) {
  std::vector<Entry> entries;
  for (const auto& item : header) {
    const std::string_view name = item.key();
    if (name == "__metadata__") continue;
    auto entry = ReadEntry(name, item.value());
    if (!entry.ok()) return InTensor(name, entry.status());
    entries.push_back(*std::move(entry));
  }
  std::sort(entries.begin(), entries.end(),
            [](const Entry& a, const Entry& b) { return a.begin < b.begin; });
  return entries;
}

}  // namespace

absl::StatusOr<std::vector<SafeTensor>> ReadSafetensors(std::span<const std::byte> file) {
  ByteReader reader(file);
  WL_ASSIGN_OR_RETURN(const uint64_t size, reader.Read<uint64_t>("the header's length"));
  if (size > kMaxHeaderBytes) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "a header of ", size, " bytes is announced, at most ", kMaxHeaderBytes, " are allowed"));
  }
  WL_ASSIGN_OR_RETURN(const auto text, reader.Take(size, "the header"));
  WL_ASSIGN_OR_RETURN(const json::object header,
                      ParseJsonObject({reinterpret_cast<const char*>(text.data()), text.size()}));
  WL_ASSIGN_OR_RETURN(std::vector<Entry> entries, ReadEntries(header));
  const auto data = file.subspan(reader.position());
  std::vector<SafeTensor> tensors;
  uint64_t done = 0;
  for (Entry& entry : entries) {
    if (entry.end > data.size()) {
      return InTensor(entry.tensor.name,
                      absl::InvalidArgumentError(
                          absl::StrCat("its bytes end at ", entry.end, ", but the file has only ",
                                       data.size(), " bytes of data: it is truncated or damaged")));
    }
    if (entry.begin != done) {
      return InTensor(entry.tensor.name,
                      absl::InvalidArgumentError(absl::StrCat(
                          "its bytes begin at ", entry.begin, ", where ", done, " is expected: ",
                          entry.begin < done ? "it overlaps another tensor" : "there is a gap")));
    }
    done = entry.end;
    entry.tensor.bytes = data.subspan(entry.begin, entry.end - entry.begin);
    tensors.push_back(std::move(entry.tensor));
  }
  if (done != data.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("the tensors end at byte ", done, " of ", data.size(), " bytes of data"));
  }
  return tensors;
}

}  // namespace waferline::model
