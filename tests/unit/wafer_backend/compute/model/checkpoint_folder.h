// Folders of random models as checkpoints are laid out, and the errors of spoilt ones.
#pragma once

#include <boost/json/object.hpp>
#include <catch2/catch.hpp>
#include <functional>
#include <memory>
#include <string>

#include "tests/support/checkpoint_writer.h"
#include "tests/support/random_model.h"
#include "tests/support/temporary_folder.h"
#include "wafer_backend/compute/model/checkpoint.h"

namespace waferline::model {
namespace json = boost::json;
using kernels::DType;
using test::CheckpointWriter;

struct Folder : test::TemporaryFolder {
  std::shared_ptr<const GgufFile> Read() const {
    const auto file = GgufFile::Open(path());
    INFO(file.status());
    REQUIRE(file.ok());
    return *file;
  }
  std::string Error() const { return std::string(GgufFile::Open(path()).status().message()); }
};

inline test::RandomModelSpec SpecOf(const std::string& architecture) {
  return {.architecture = architecture,
          .dtype = DType::kBF16,
          .vocabulary = test::VocabularyKind::kBytePairs};
}

inline std::shared_ptr<const GgufFile> RandomFile(const test::RandomModelSpec& spec) {
  return *GgufFile::FromBytes(test::RandomModelBytes(spec));
}

// Of such a model, one thing made wrong.
inline std::string FolderErrorOf(const test::RandomModelSpec& spec,
                                 const std::function<void(CheckpointWriter&)>& spoil) {
  const Folder folder;
  CheckpointWriter writer(*RandomFile(spec));
  spoil(writer);
  writer.Write(folder.path());
  const std::string error = folder.Error();
  INFO(error);
  CHECK(error.find(folder.path()) == 0);  // names the file
  return error;
}

inline bool Holds(const std::string& text, const std::string& part) {
  UNSCOPED_INFO(text << " / wanted: " << part);
  return text.find(part) != std::string::npos;
}

}  // namespace waferline::model
