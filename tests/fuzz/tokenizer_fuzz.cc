// fuzzes: wafer_backend/compute/model tests/support
// Any text through tokenizers of every kind and every pre-tokenizer name: ids of the vocabulary,
// and the text itself, or its form C where the model's tokenizer normalises it, comes back.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/random_model.h"
#include "wafer_backend/compute/model/gguf.h"
#include "wafer_backend/compute/model/normal_form.h"
#include "wafer_backend/compute/model/pre_tokenizer_table.h"
#include "wafer_backend/compute/model/tokenizer.h"

namespace waferline::model {
namespace {

struct Subject {
  std::string name;
  std::shared_ptr<const Tokenizer> tokenizer;
  bool normalises = false;
};

std::shared_ptr<const Tokenizer> Build(const test::GgufWriter& writer) {
  const auto file = GgufFile::FromBytes(writer.Bytes());
  if (!file.ok()) std::abort();
  auto tokenizer = TokenizerFromGguf(**file);
  if (!tokenizer.ok()) std::abort();
  return *std::move(tokenizer);
}

std::vector<Subject> Subjects() {
  std::vector<Subject> all;
  for (const PreTokenizerRow& row : PreTokenizerRows()) {
    test::GgufWriter writer;
    test::SetVocabulary(writer, test::VocabularyKind::kBytePairs, "llama");
    writer.SetString("tokenizer.ggml.pre", row.name);
    all.push_back({std::string(row.name), Build(writer), row.nfc});
  }
  for (const char* kind : {"llama", "t5"}) {
    for (const bool prefix : {false, true}) {
      test::GgufWriter writer;
      test::SetVocabulary(writer, test::VocabularyKind::kSentencePiece, "llama");
      writer.SetString("tokenizer.ggml.model", kind);
      writer.SetBool("tokenizer.ggml.add_space_prefix", prefix);
      all.push_back({kind, Build(writer)});
    }
  }
  return all;
}

void Check(const Subject& subject, const std::string& text) {
  const auto ids = subject.tokenizer->Encode(text);
  bool ok = true;
  for (const TokenId id : ids) ok = ok && subject.tokenizer->valid(id);
  // Names of control tokens are not parsed, so what was put before and behind is all that goes.
  const std::string back = subject.tokenizer->Decode(ids, true);
  ok = ok && back == (subject.normalises ? FormC(text) : text);
  const auto parsed = subject.tokenizer->Encode(text, {.parse_special = true});
  for (const TokenId id : parsed) ok = ok && subject.tokenizer->valid(id);
  if (ok) return;
  std::fprintf(stderr, "%s does not keep the text\n", subject.name.c_str());
  std::abort();
}

}  // namespace
}  // namespace waferline::model

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace waferline::model;
  static const std::vector<Subject> kSubjects = Subjects();
  if (size == 0) return 0;
  const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
  Check(kSubjects[data[0] % kSubjects.size()], text);
  return 0;
}
