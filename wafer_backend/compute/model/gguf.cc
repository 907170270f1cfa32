#include "wafer_backend/compute/model/gguf.h"

#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/compute/model/checkpoint.h"
#include "wafer_backend/compute/model/gguf_part.h"
#include "wafer_backend/compute/model/gguf_split.h"

namespace waferline::model {

std::string GgufTensor::TypeName() const {
  const std::string_view known = kernels::GgufTypeName(gguf_type);
  return known.empty() ? absl::StrCat("type ", gguf_type) : std::string(known);
}

std::string GgufTensor::ShapeText() const {
  std::string text = "[";
  for (int i = 0; i < rank; ++i) absl::StrAppend(&text, i == 0 ? "" : ", ", dims[i]);
  return text + "]";
}

absl::StatusOr<std::shared_ptr<const GgufFile>> GgufFile::Open(const std::string& path) {
  std::error_code error;
  const bool folder = std::filesystem::is_directory(path, error);
  WL_ASSIGN_OR_RETURN(ModelContents contents, folder ? OpenCheckpoint(path) : OpenGguf(path));
  return FromContents(std::move(contents));
}

absl::StatusOr<std::shared_ptr<const GgufFile>> GgufFile::FromBytes(std::string bytes,
                                                                    std::string name) {
  ModelContents contents;
  contents.name = std::move(name);
  contents.owned.push_back(std::move(bytes));
  auto part = ReadGguf(std::as_bytes(std::span(contents.owned.front())));
  if (!part.ok()) {
    return absl::Status(part.status().code(),
                        absl::StrCat(contents.name, ": ", part.status().message()));
  }
  contents.format = absl::StrCat("GGUF version ", part->version);
  contents.metadata = std::move(part->metadata);
  contents.tensors = std::move(part->tensors);
  return FromContents(std::move(contents));
}

absl::StatusOr<std::shared_ptr<const GgufFile>> GgufFile::FromContents(ModelContents contents) {
  std::shared_ptr<GgufFile> file(new GgufFile(std::move(contents)));
  const auto tensors = file->tensors();
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (!file->tensor_index_.emplace(tensors[i].name, i).second) {
      return absl::InvalidArgumentError(absl::StrCat(
          file->name(), ": tensor ", Quoted(tensors[i].name), " occurs more than once"));
    }
  }
  return file;
}

const GgufTensor* GgufFile::FindTensor(std::string_view name) const {
  const auto found = tensor_index_.find(name);
  return found == tensor_index_.end() ? nullptr : &contents_.tensors[found->second];
}

size_t GgufFile::file_size() const {
  size_t size = 0;
  for (const auto& map : contents_.maps) size += map->bytes().size();
  return contents_.maps.empty() ? held_size() : size;
}

size_t GgufFile::held_size() const {
  size_t size = 0;
  for (const std::string& bytes : contents_.owned) size += bytes.size();
  return size;
}

GgufFile::Facts GgufFile::Look() const {
  Facts facts;
  for (const auto& map : contents_.maps) facts.push_back(map->Look());
  return facts;
}

MappedFile* GgufFile::MapOf(std::span<const std::byte> part) const {
  for (const auto& map : contents_.maps) {
    const auto whole = map->bytes();
    if (part.data() >= whole.data() && part.data() < whole.data() + whole.size()) return map.get();
  }
  return nullptr;
}

absl::Status GgufFile::Hold(std::span<const std::byte> part,
                            const std::function<bool(std::span<const std::byte>)>& is_right) const {
  MappedFile* const map = MapOf(part);
  return map == nullptr ? absl::OkStatus() : map->Hold(part, is_right);
}

void GgufFile::Release(std::span<const std::byte> part) const {
  if (MappedFile* const map = MapOf(part)) map->Release(part);
}

}  // namespace waferline::model
