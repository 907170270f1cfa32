// waferctl wafer place, faults, map, tornado and latency as they are typed.
#include <unistd.h>

#include <boost/json.hpp>
#include <catch2/catch.hpp>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>

#include "tests/support/temporary_folder.h"

namespace waferline::cli {
namespace {

struct Outcome {
  int exit_code = 0;
  std::string out;  // stdout, and stderr if `both`
  boost::json::object json() const { return boost::json::parse(out).as_object(); }
};

Outcome Waferctl(const std::string& words, bool both = false) {
  const std::string line =
      WAFERLINE_BIN_DIR "/waferctl wafer " + words + (both ? " 2>&1" : " 2>/dev/null");
  FILE* pipe = popen(line.c_str(), "r");
  REQUIRE(pipe != nullptr);
  Outcome outcome;
  char buffer[4096];
  while (const size_t got = fread(buffer, 1, sizeof(buffer), pipe)) outcome.out.append(buffer, got);
  outcome.exit_code = WEXITSTATUS(pclose(pipe));
  return outcome;
}

int64_t Integer(const boost::json::value& value) { return value.to_number<int64_t>(); }

TEST_CASE("wafer place lays 70B on four wafers and says where") {
  const Outcome outcome =
      Waferctl("place --model llama-3.1-70b --hardware wse-3 --context 8192 --users 4 --json");
  REQUIRE(outcome.exit_code == 0);
  const boost::json::object placed = outcome.json();
  CHECK(Integer(placed.at("wafers")) == 4);
  CHECK(placed.at("places").as_array().size() == 4);
  CHECK(placed.at("regions").as_array().size() == 82);  // layers, embedding, output
  CHECK(placed.at("balance").to_number<double>() > 0.95);
  CHECK(placed.at("tokens_per_second").to_number<double>() > 100);
}

TEST_CASE("wafer place refuses what does not fit, with a way out") {
  const Outcome outcome =
      Waferctl("place --model llama-3.1-70b --wafers 4 --context 100000 --users 4", true);
  CHECK(outcome.exit_code == 1);
  CHECK(outcome.out.find("What would fit: ") != std::string::npos);
}

TEST_CASE("the placement commands name what is wrong on the command line") {
  for (const char* words :
       {"place", "place --model llama-3.1-8b --users 0", "place --model llama-3.1-8b --context -1",
        "place --model llama-3.1-8b --weights fp3", "place --model llama-3.1-8b --hardware h100",
        "faults --model llama-3.1-8b --kind meteor", "map --model llama-3.1-8b --place 7",
        "place --model llama-3.1-8b --context 99999999999999999999"}) {
    INFO(words);
    const Outcome outcome = Waferctl(words, true);
    CHECK(outcome.exit_code == 2);
    CHECK(outcome.out.find("--") != std::string::npos);
  }
  CHECK(Waferctl("place --model no-such-model").exit_code == 1);
}

TEST_CASE("wafer faults tells the cost of each kind") {
  const Outcome outcome = Waferctl("faults --model llama-3.1-70b --users 4 --seed 3 --json");
  REQUIRE(outcome.exit_code == 0);
  const boost::json::object answer = outcome.json();
  const boost::json::array& faults = answer.at("faults").as_array();
  REQUIRE(faults.size() == 7);
  for (const boost::json::value& fault : faults) {
    INFO(fault.at("kind").as_string().c_str());
    CHECK(fault.at("slowdown").to_number<double>() >= 1);
    CHECK(fault.at("downtime_seconds").at("total").to_number<double>() >= 0);
  }
  const Outcome one = Waferctl("faults --model llama-3.1-70b --kind thermal --json");
  REQUIRE(one.exit_code == 0);
  CHECK(one.json().at("faults").as_array().size() == 1);
}

TEST_CASE("the pictures are SVG documents with what they are about") {
  const test::TemporaryFolder folder;
  const std::string file = folder.File("picture.svg");
  const struct {
    const char* words;
    const char* shows;
  } pictures[] = {
      {"place --model llama-3.1-70b --svg ", "layers 19 to 39"},
      {"map --model llama-3.1-8b --svg ", "time a layer takes"},
      {"tornado --model llama-3.1-70b --svg ", "wafer-to-wafer latency"},
      {"latency --model llama-3.1-8b --model llama-3.1-70b --svg ", "llama-3.1-70b, 4 wafers"},
  };
  for (const auto& picture : pictures) {
    INFO(picture.words);
    REQUIRE(Waferctl(picture.words + file).exit_code == 0);
    std::ifstream in(file);
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    CHECK(text.find("<svg ") == 0);
    CHECK(text.find(picture.shows) != std::string::npos);
    CHECK(text.find("nan") == std::string::npos);
    unlink(file.c_str());
  }
}

}  // namespace
}  // namespace waferline::cli
