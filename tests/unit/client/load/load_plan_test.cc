#include "client/load/load_plan.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <set>

namespace waferline::load {
namespace {

TEST_CASE("Poisson arrivals have the rate, the spread and the seed's own order") {
  const auto instants = PoissonInstants(20'000, 50, 3);
  REQUIRE(instants.size() == 20'000);
  CHECK(instants.front() == Nanoseconds(0));
  CHECK(std::is_sorted(instants.begin(), instants.end()));
  CHECK(ToSeconds(instants.back()) == Approx(400).epsilon(0.03));
  // Exponential gaps: the standard deviation equals the mean.
  double square = 0;
  for (size_t i = 1; i < instants.size(); ++i) {
    const double gap = ToSeconds(instants[i] - instants[i - 1]);
    square += gap * gap / 19'999;
  }
  CHECK(square == Approx(2 * 0.02 * 0.02).epsilon(0.06));
  CHECK(PoissonInstants(100, 50, 3) ==
        std::vector<Nanoseconds>(instants.begin(), instants.begin() + 100));
  CHECK(PoissonInstants(100, 50, 4)[99] != instants[99]);
}

TEST_CASE("synthetic prompts have their length, repeat by seed and share no beginning") {
  const std::string prompt = SyntheticPrompt(1, 2, 10);
  CHECK(std::count(prompt.begin(), prompt.end(), ' ') == 9);
  CHECK(SyntheticPrompt(1, 2, 10) == prompt);
  CHECK(SyntheticPrompt(2, 2, 10) != prompt);
  std::set<std::string> heads;
  for (uint32_t i = 0; i < 200; ++i) heads.insert(SyntheticPrompt(1, i, 64).substr(0, 24));
  CHECK(heads.size() == 200);
}

TEST_CASE("prompts are read as text, as JSON and as chats") {
  const auto prompts = ReadPrompts(
      "Once upon\r\n\n{\"prompt\": \"a\\nb\"}\n{\"prompt\": [1, 2]}\n"
      "{\"messages\": [{\"role\": \"user\", \"content\": \"hi\"}]}");
  REQUIRE(prompts.ok());
  REQUIRE(prompts->size() == 4);
  CHECK(std::get<std::string>((*prompts)[0]) == "Once upon");
  CHECK(std::get<std::string>((*prompts)[1]) == "a\nb");
  CHECK(std::get<std::vector<TokenId>>((*prompts)[2]) == std::vector<TokenId>{1, 2});
  CHECK(std::get<std::vector<sdk::ChatTurn>>((*prompts)[3])[0].content == "hi");
}

TEST_CASE("a ShareGPT conversation asks what came before its last answer; a mark is skipped") {
  const auto prompts = ReadPrompts(
      "\xEF\xBB\xBF{\"id\": \"x\", \"conversations\": [{\"from\": \"system\", \"value\": \"s\"},"
      "{\"from\": \"human\", \"value\": \"q1\"}, {\"from\": \"gpt\", \"value\": \"a1\"},"
      "{\"from\": \"human\", \"value\": \"q2\"}, {\"from\": \"gpt\", \"value\": \"a2\"}]}");
  REQUIRE(prompts.ok());
  const auto& turns = std::get<std::vector<sdk::ChatTurn>>(prompts->front());
  REQUIRE(turns.size() == 4);
  CHECK(turns[0].role == "system");
  CHECK(turns[2].role == "assistant");
  CHECK(turns[3].content == "q2");
  for (const char* wrong :
       {"{\"conversations\": []}", "{\"conversations\": [{\"from\": \"gpt\", \"value\": \"a\"}]}",
        "{\"conversations\": [{\"from\": \"robot\", \"value\": \"a\"}]}",
        "{\"conversations\": [{\"value\": \"a\"}]}", "{\"conversations\": 5}"}) {
    INFO(wrong);
    CHECK(ReadPrompts(wrong).status().code() == absl::StatusCode::kInvalidArgument);
  }
}

TEST_CASE("a prompt that cannot be read is named by its line") {
  for (const char* wrong : {"{\"prompt\"", "{}", "{\"prompt\": 5}", "{\"prompt\": \"\"}",
                            "{\"prompt\": []}", "{\"prompt\": [1.5]}", "{\"prompt\": [-1]}",
                            "{\"prompt\": [3000000000]}", "{\"messages\": []}", "{\"messages\": 1}",
                            "{\"messages\": [{\"role\": \"user\"}]}", "caf\xe9"}) {
    INFO(wrong);
    const auto prompts = ReadPrompts(std::string("fine\n") + wrong);
    REQUIRE(prompts.status().code() == absl::StatusCode::kInvalidArgument);
    CHECK(std::string(prompts.status().message()).find("line 2") == 0);
  }
  CHECK_FALSE(ReadPrompts("").ok());
  CHECK_FALSE(ReadPrompts("\n\n").ok());
}

}  // namespace
}  // namespace waferline::load
