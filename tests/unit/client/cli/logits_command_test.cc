// waferctl model logits as it is typed, against the reference.
#include <unistd.h>

#include <boost/json.hpp>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdio>
#include <string>

#include "tests/reference/reference_model.h"
#include "tests/support/random_model.h"
#include "tests/support/temporary_folder.h"

namespace waferline::cli {
namespace {

class ModelOnDisk {
 public:
  ModelOnDisk() {
    test::RandomModel({}).WriteFile(path_);
    auto file = model::GgufFile::Open(path_);
    REQUIRE(file.ok());
    file_ = *file;
  }
  const std::string& path() const { return path_; }
  const model::GgufFile& file() const { return *file_; }

 private:
  const test::TemporaryFolder folder_;
  const std::string path_ = folder_.File("model.gguf");
  std::shared_ptr<const model::GgufFile> file_;
};

std::pair<int, std::string> Waferctl(const std::string& words) {
  FILE* pipe = popen((WAFERLINE_BIN_DIR "/waferctl " + words + " 2>/dev/null").c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::string out;
  char buffer[4096];
  while (const size_t got = fread(buffer, 1, sizeof(buffer), pipe)) out.append(buffer, got);
  return {WEXITSTATUS(pclose(pipe)), out};
}

void RequireNear(const boost::json::array& row, const std::vector<double>& want) {
  REQUIRE(row.size() == want.size());
  double error = 0, size = 0;
  for (size_t i = 0; i < want.size(); ++i) {
    error += std::pow(row[i].to_number<double>() - want[i], 2);
    size += want[i] * want[i];
  }
  REQUIRE(std::sqrt(error / size) < 3e-4);
}

TEST_CASE("model logits prints what the reference computes") {
  const ModelOnDisk disk;
  const std::vector<TokenId> tokens = {1, 40, 41, 42, 99};
  const auto want = reference::ReferenceModel(disk.file(), {}).Logits(tokens);
  const std::string words = "model logits " + disk.path() + " --tokens 1,40,41,42,99 --json";
  auto [code, out] = Waferctl(words);
  REQUIRE(code == 0);
  auto parsed = boost::json::parse(out).as_object();
  REQUIRE(parsed["tokens"].as_array().size() == 5);
  RequireNear(parsed["logits"].as_array(), want.back());
  const auto last = parsed["logits"].as_array();

  auto [all_code, all_out] = Waferctl(words + " --all");
  REQUIRE(all_code == 0);
  parsed = boost::json::parse(all_out).as_object();
  REQUIRE(parsed["logits"].as_array().size() == 5);
  for (size_t i = 0; i < 5; ++i) RequireNear(parsed["logits"].as_array()[i].as_array(), want[i]);
  REQUIRE(parsed["logits"].as_array()[4].as_array() == last);
}

TEST_CASE("model logits says what is wrong with its words") {
  const ModelOnDisk disk;
  const std::string start = "model logits " + disk.path();
  REQUIRE(Waferctl(start).first == 2);
  REQUIRE(Waferctl(start + " --tokens 1,x").first == 2);
  REQUIRE(Waferctl(start + " --tokens 1,-1").first == 2);
  REQUIRE(Waferctl(start + " --tokens 1,999999").first == 2);
  REQUIRE(Waferctl(start + " --tokens=").first == 2);
  REQUIRE(Waferctl("model logits /nowhere.gguf --tokens 1").first == 1);
}

}  // namespace
}  // namespace waferline::cli
