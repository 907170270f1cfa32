// waferctl model perplexity as it is typed, against the reference.
#include <boost/json.hpp>
#include <catch2/catch.hpp>
#include <cmath>
#include <fstream>
#include <string>

#include "tests/reference/reference_model.h"
#include "tests/support/random_model.h"
#include "tests/support/temporary_folder.h"
#include "tests/unit/client/cli/waferctl_process.h"
#include "wafer_backend/compute/model/tokenizer.h"

namespace waferline::cli {
namespace {

class OnDisk {
 public:
  explicit OnDisk(const std::string& text) {
    test::RandomModel({}).WriteFile(model());
    std::ofstream(text_file()) << text;
  }
  std::string model() const { return folder_.File("model.gguf"); }
  std::string text_file() const { return folder_.File("text.txt"); }

 private:
  const test::TemporaryFolder folder_;
};

// -log p of the tokens in the second half of a chunk that begins with the begin token.
double Nats(const reference::ReferenceModel& model, std::vector<TokenId> chunk, TokenId bos) {
  chunk[0] = bos;
  const auto logits = model.Logits(chunk);
  double nats = 0;
  for (size_t at = chunk.size() / 2; at + 1 < chunk.size(); ++at) {
    double sum = 0;
    for (const double x : logits[at]) sum += std::exp(x);
    nats += std::log(sum) - logits[at][static_cast<size_t>(chunk[at + 1])];
  }
  return nats;
}

TEST_CASE("model perplexity scores the second half of each chunk as the reference does") {
  const std::string text = "the small bird is over the river and the wafer is under the light";
  const OnDisk disk(text);
  const auto file = *model::GgufFile::Open(disk.model());
  const auto tokenizer = *model::TokenizerFromGguf(*file);
  const std::vector<TokenId> tokens = tokenizer->Encode(text);
  const size_t context = 7, chunks = tokens.size() / context;
  REQUIRE(chunks >= 2);
  REQUIRE(tokens.size() % context != 0);  // a rest, which does not count
  const reference::ReferenceModel reference(*file, {});
  double want = 0;
  std::vector<double> of_chunks;
  for (size_t i = 0; i < chunks; ++i) {
    const auto chunk = tokens.begin() + static_cast<std::ptrdiff_t>(i * context);
    of_chunks.push_back(Nats(reference, {chunk, chunk + context}, *tokenizer->bos()));
    want += of_chunks.back();
  }
  const auto scored = static_cast<double>(chunks * 3);
  for (const char* cpu : {"", "portable"}) {
    std::vector<std::string> words = {"model",     "perplexity", disk.model(), "--json",
                                      "--context", "7",          "--text",     disk.text_file(),
                                      "--threads", "2"};
    if (*cpu != 0) words.insert(words.end(), {"--cpu", cpu});
    const Finished ran = Waferctl(words);
    INFO(ran.err);
    REQUIRE(ran.code == 0);
    auto out = boost::json::parse(ran.out).as_object();
    REQUIRE(out["scored_tokens"].to_number<double>() == scored);
    REQUIRE(out["nats_per_token"].to_number<double>() == Approx(want / scored).epsilon(1e-4));
    REQUIRE(out["perplexity"].to_number<double>() == Approx(std::exp(want / scored)).epsilon(1e-3));
    const boost::json::array& by_chunk = out["nats_per_token_of_chunks"].as_array();
    REQUIRE(by_chunk.size() == chunks);
    for (size_t i = 0; i < chunks; ++i) {
      REQUIRE(by_chunk[i].to_number<double>() == Approx(of_chunks[i] / 3).epsilon(1e-4));
    }
    if (*cpu != 0) REQUIRE(out["instructions"].as_string() == cpu);
  }
}

TEST_CASE("model perplexity says what is wrong with its words") {
  const OnDisk disk("the river");
  const auto fails = [&](std::vector<std::string> words) {
    words.insert(words.begin(), {"model", "perplexity", disk.model()});
    return Waferctl(words);
  };
  REQUIRE(fails({}).code == 2);
  REQUIRE(fails({"--text", disk.text_file()}).err.find("--context") != std::string::npos);
  REQUIRE(fails({"--text", "/nowhere"}).code == 1);
  REQUIRE(fails({"--text", disk.text_file(), "--context", "4096"}).code == 2);
  const Finished unknown = fails({"--text", disk.text_file(), "--cpu", "mmx"});
  REQUIRE(unknown.code == 2);
  REQUIRE(unknown.err.find("avx2") != std::string::npos);
}

}  // namespace
}  // namespace waferline::cli
