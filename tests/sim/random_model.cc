// Writes a small random model of a family, as the unit tests use them, to a file:
//
//   random_model FAMILY TYPE FILE [SETTING=N ...]
//
// Settings: seed, layers, hidden, ffn, context, window, experts, experts_used, expert_ffn,
// rope_yarn (its factor), tied (1: no output matrix), byte_pairs (1: a byte-level BPE vocabulary
// instead of SentencePiece's).
#include "tests/support/random_model.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "wafer_backend/compute/kernels/quant_traits.h"

namespace waferline::test {
namespace {

int Fail(const std::string& what) {
  std::fprintf(stderr, "random_model: %s\n", what.c_str());
  return 2;
}

int Run(int argc, char** argv) {
  if (argc < 4) return Fail("usage: random_model FAMILY TYPE FILE [SETTING=N ...]");
  RandomModelSpec spec;
  spec.architecture = argv[1];
  int seed = 1, byte_pairs = 0, tied = 0, rope_yarn = 1;
  const std::map<std::string, int*> settings = {{"seed", &seed},
                                                {"layers", &spec.layers},
                                                {"hidden", &spec.hidden},
                                                {"ffn", &spec.ffn},
                                                {"context", &spec.context},
                                                {"window", &spec.window},
                                                {"experts", &spec.experts},
                                                {"experts_used", &spec.experts_used},
                                                {"expert_ffn", &spec.expert_ffn},
                                                {"rope_yarn", &rope_yarn},
                                                {"tied", &tied},
                                                {"byte_pairs", &byte_pairs}};
  const std::vector<std::string> families = ModelFamilies();
  if (std::find(families.begin(), families.end(), spec.architecture) == families.end()) {
    return Fail("unknown family " + spec.architecture);
  }
  bool known = false;
  for (const kernels::QuantTraits& type : kernels::kQuantTraits) {
    if (type.name != argv[2]) continue;
    spec.dtype = type.dtype;
    known = true;
  }
  if (!known) return Fail(std::string("unknown type ") + argv[2]);
  for (int i = 4; i < argc; ++i) {
    const std::string text = argv[i];
    const size_t equals = text.find('=');
    const auto found = settings.find(text.substr(0, equals));
    if (equals == std::string::npos || found == settings.end()) {
      return Fail("unknown setting " + text);
    }
    *found->second = std::atoi(text.c_str() + equals + 1);
  }
  spec.seed = static_cast<uint64_t>(seed);
  spec.tied_embeddings = tied != 0;
  spec.rope_yarn_factor = static_cast<float>(rope_yarn);
  if (byte_pairs != 0) spec.vocabulary = VocabularyKind::kBytePairs;
  // Names of models make other engines change their vocabularies.
  RandomModel(spec).SetString("general.name", "random").WriteFile(argv[3]);
  return 0;
}

}  // namespace
}  // namespace waferline::test

int main(int argc, char** argv) { return waferline::test::Run(argc, argv); }
