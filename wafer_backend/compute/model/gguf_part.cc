#include "wafer_backend/compute/model/gguf_part.h"

#include <algorithm>
#include <bit>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"
#include "wafer_backend/compute/model/byte_reader.h"

namespace waferline::model {
namespace {

static_assert(std::endian::native == std::endian::little, "GGUF views are read in place");

constexpr uint64_t kDefaultAlignment = 32;
constexpr uint64_t kLargestAlignment = uint64_t{1} << 20;
// Smallest key-value pair: length of the key, type, a value of one byte. Smallest tensor entry:
// length of the name, rank, one dimension, type, offset.
constexpr uint64_t kSmallestPair = 8 + 4 + 1;
constexpr uint64_t kSmallestTensor = 8 + 4 + 8 + 4 + 8;
// Elements of one tensor: far above any model, low enough that bytes cannot overflow 63 bits.
constexpr uint64_t kMaxElements = uint64_t{1} << 48;

absl::Status Prefixed(std::string_view name, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat(Absl(name), ": ", status.message()));
}

absl::StatusOr<MetadataValue> ReadScalar(ByteReader& reader, ValueType type) {
  switch (type) {
    case ValueType::kUint8:
      return reader.Integer<uint8_t>();
    case ValueType::kInt8:
      return reader.Integer<int8_t>();
    case ValueType::kUint16:
      return reader.Integer<uint16_t>();
    case ValueType::kInt16:
      return reader.Integer<int16_t>();
    case ValueType::kUint32:
      return reader.Integer<uint32_t>();
    case ValueType::kInt32:
      return reader.Integer<int32_t>();
    case ValueType::kUint64:
      return reader.Integer<uint64_t>();
    case ValueType::kInt64:
      return reader.Integer<int64_t>();
    case ValueType::kFloat32: {
      WL_ASSIGN_OR_RETURN(const float value, reader.Read<float>("a value"));
      return MetadataValue(static_cast<double>(value));
    }
    case ValueType::kFloat64: {
      WL_ASSIGN_OR_RETURN(const double value, reader.Read<double>("a value"));
      return MetadataValue(value);
    }
    case ValueType::kBool: {
      WL_ASSIGN_OR_RETURN(const uint8_t value, reader.Read<uint8_t>("a value"));
      if (value > 1) return absl::InvalidArgumentError(absl::StrCat("bool of value ", value));
      return MetadataValue(value == 1);
    }
    case ValueType::kString: {
      WL_ASSIGN_OR_RETURN(const std::string_view text, reader.String("a string"));
      return MetadataValue(text);
    }
    case ValueType::kArray:
      break;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("value type ", static_cast<uint32_t>(type), " is not known"));
}

absl::StatusOr<MetadataValue> ReadArray(ByteReader& reader) {
  MetadataArray array;
  WL_ASSIGN_OR_RETURN(const uint32_t element, reader.Read<uint32_t>("an array's element type"));
  WL_ASSIGN_OR_RETURN(array.count, reader.Read<uint64_t>("an array's length"));
  array.element = static_cast<ValueType>(element);
  if (const size_t size = FixedSize(array.element); size != 0) {
    if (array.count > reader.left() / size) {
      return absl::InvalidArgumentError(absl::StrCat(
          "array of ", array.count, " ", Absl(Name(array.element)), " does not fit into the file"));
    }
    WL_ASSIGN_OR_RETURN(array.bytes, reader.Take(array.count * size, "an array"));
    return MetadataValue(std::move(array));
  }
  if (array.element != ValueType::kString) {
    return absl::InvalidArgumentError(
        absl::StrCat("array of value type ", element, " is not supported"));
  }
  if (array.count > reader.left() / sizeof(uint64_t)) {
    return absl::InvalidArgumentError(
        absl::StrCat("array of ", array.count, " strings does not fit into the file"));
  }
  array.strings.reserve(array.count);
  for (uint64_t i = 0; i < array.count; ++i) {
    WL_ASSIGN_OR_RETURN(const std::string_view text, reader.String("a string of an array"));
    array.strings.push_back(text);
  }
  return MetadataValue(std::move(array));
}

absl::Status ReadMetadata(ByteReader& reader, uint64_t count, Metadata& metadata) {
  for (uint64_t i = 0; i < count; ++i) {
    WL_ASSIGN_OR_RETURN(const std::string_view key,
                        reader.String(absl::StrCat("metadata key ", i + 1, " of ", count)));
    WL_ASSIGN_OR_RETURN(const uint32_t number, reader.Read<uint32_t>("a value type"));
    const auto type = static_cast<ValueType>(number);
    absl::StatusOr<MetadataValue> value =
        type == ValueType::kArray ? ReadArray(reader) : ReadScalar(reader, type);
    if (!value.ok()) {
      return Prefixed(absl::StrCat("metadata key ", Quoted(key)), value.status());
    }
    WL_RETURN_IF_ERROR(metadata.Add(key, *std::move(value)));
  }
  return absl::OkStatus();
}

// Everything of a tensor's entry but its bytes; `offset` counts from the start of the data.
absl::Status ReadTensorEntry(ByteReader& reader, GgufTensor& tensor, uint64_t& offset) {
  WL_ASSIGN_OR_RETURN(const uint32_t rank, reader.Read<uint32_t>("a tensor's rank"));
  if (rank < 1 || rank > tensor.dims.size()) {
    return absl::InvalidArgumentError(absl::StrCat("rank ", rank, ", expected 1 to 4"));
  }
  tensor.rank = static_cast<int>(rank);
  uint64_t elements = 1;
  for (uint32_t i = 0; i < rank; ++i) {
    WL_ASSIGN_OR_RETURN(const uint64_t dim, reader.Read<uint64_t>("a tensor's dimension"));
    if (dim == 0 || dim > kMaxElements / elements) {
      return absl::InvalidArgumentError(
          absl::StrCat("dimension ", i, " of ", dim, " is zero or makes the tensor too large"));
    }
    tensor.dims[i] = static_cast<int64_t>(dim);
    elements *= dim;
  }
  WL_ASSIGN_OR_RETURN(tensor.gguf_type, reader.Read<uint32_t>("a tensor's type"));
  WL_ASSIGN_OR_RETURN(offset, reader.Read<uint64_t>("a tensor's offset"));
  tensor.dtype = kernels::DTypeFromGguf(tensor.gguf_type);
  if (tensor.dtype && tensor.cols() % kernels::BlockLength(*tensor.dtype) != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("rows of ", tensor.cols(), " elements are not a whole number of ",
                     tensor.TypeName(), " blocks of ", kernels::BlockLength(*tensor.dtype)));
  }
  return absl::OkStatus();
}

absl::Status PlaceTensor(std::span<const std::byte> data, uint64_t alignment, uint64_t offset,
                         GgufTensor& tensor) {
  if (offset % alignment != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("offset ", offset, " is not a multiple of the alignment ", alignment));
  }
  const uint64_t size =
      tensor.dtype ? kernels::BytesFor(*tensor.dtype, tensor.elements()).count() : 0;
  if (offset > data.size() || size > data.size() - offset) {
    return absl::InvalidArgumentError(absl::StrCat(
        "its ", size, " bytes at offset ", offset, " lie beyond the end of the file, which has ",
        data.size(), " bytes of tensor data: the file is truncated or damaged"));
  }
  tensor.bytes = data.subspan(offset, size);
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> ReadAlignment(const Metadata& metadata) {
  WL_ASSIGN_OR_RETURN(const uint64_t alignment,
                      metadata.UintOr("general.alignment", kDefaultAlignment));
  if (!std::has_single_bit(alignment) || alignment < 8 || alignment > kLargestAlignment) {
    return absl::InvalidArgumentError(absl::StrCat("general.alignment is ", alignment,
                                                   ", expected a power of two from 8 to ",
                                                   kLargestAlignment));
  }
  return alignment;
}

absl::Status CheckVersion(uint32_t version) {
  if (version == 2 || version == 3) return absl::OkStatus();
  if (version == 0x02000000 || version == 0x03000000) {
    return absl::UnimplementedError("big-endian GGUF files are not supported");
  }
  return absl::UnimplementedError(
      absl::StrCat("GGUF version ", version, " is not supported, 2 and 3 are"));
}

// The tensors' entries, then their places in what follows.
absl::Status ReadTensors(ByteReader& reader, std::span<const std::byte> bytes, uint64_t count,
                         GgufPart& part) {
  WL_ASSIGN_OR_RETURN(const uint64_t alignment, ReadAlignment(part.metadata));
  std::vector<uint64_t> offsets(count);
  part.tensors.resize(count);
  for (uint64_t i = 0; i < count; ++i) {
    GgufTensor& tensor = part.tensors[i];
    WL_ASSIGN_OR_RETURN(tensor.name,
                        reader.String(absl::StrCat("name of tensor ", i + 1, " of ", count)));
    if (absl::Status status = ReadTensorEntry(reader, tensor, offsets[i]); !status.ok()) {
      return Prefixed(absl::StrCat("tensor ", Quoted(tensor.name)), status);
    }
  }
  const uint64_t start = (reader.position() + alignment - 1) / alignment * alignment;
  const auto data = bytes.subspan(std::min<uint64_t>(start, bytes.size()));
  for (uint64_t i = 0; i < count; ++i) {
    GgufTensor& tensor = part.tensors[i];
    if (absl::Status status = PlaceTensor(data, alignment, offsets[i], tensor); !status.ok()) {
      return Prefixed(absl::StrCat("tensor ", Quoted(tensor.name)), status);
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<GgufPart> ReadGguf(std::span<const std::byte> bytes) {
  GgufPart part;
  ByteReader reader(bytes);
  WL_ASSIGN_OR_RETURN(const uint32_t magic, reader.Read<uint32_t>("the magic number"));
  if (magic != 0x46554747) {  // "GGUF"
    return absl::InvalidArgumentError("not a GGUF file: it does not begin with \"GGUF\"");
  }
  WL_ASSIGN_OR_RETURN(part.version, reader.Read<uint32_t>("the version"));
  WL_RETURN_IF_ERROR(CheckVersion(part.version));
  WL_ASSIGN_OR_RETURN(const uint64_t tensors, reader.Read<uint64_t>("the number of tensors"));
  WL_ASSIGN_OR_RETURN(const uint64_t pairs, reader.Read<uint64_t>("the number of metadata keys"));
  if (pairs > reader.left() / kSmallestPair || tensors > reader.left() / kSmallestTensor) {
    return absl::InvalidArgumentError(absl::StrCat("the header announces ", pairs,
                                                   " metadata keys and ", tensors, " tensors in ",
                                                   bytes.size(), " bytes"));
  }
  WL_RETURN_IF_ERROR(ReadMetadata(reader, pairs, part.metadata));
  WL_RETURN_IF_ERROR(ReadTensors(reader, bytes, tensors, part));
  return part;
}

}  // namespace waferline::model
