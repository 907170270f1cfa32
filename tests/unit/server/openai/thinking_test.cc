// Reasoning ends by its budget, or before, and nothing else is changed.
#include <catch2/catch.hpp>

#include "server/openai/request.h"
#include "server/text/thinking_budget.h"
#include "tests/support/byte_tokenizer.h"

namespace waferline::openai {
namespace {

const text::ThinkingBudget kBudget{
    .tokens = 3, .vocabulary = 100, .opened = true, .open = {90, 91}, .mark = 80, .end = {80, 81}};

// The token that is forced next; none if any may come.
std::optional<TokenId> Forced(ConstraintCursor& cursor) {
  const auto allowed = cursor.Allowed();
  if (!allowed->bits.empty()) {
    for (TokenId id = 0; id < 100; ++id) REQUIRE(allowed->Contains(id));
    return std::nullopt;
  }
  REQUIRE(allowed->few.size() == 1);
  return allowed->few[0];
}

// A rest that takes the tokens below a limit only.
class Below final : public TokenConstraint {
 public:
  explicit Below(TokenId limit) : limit_(limit) {}
  std::unique_ptr<ConstraintCursor> Start() const override {
    class Cursor final : public ConstraintCursor {
     public:
      explicit Cursor(TokenId limit) {
        for (TokenId id = 0; id < limit; ++id) set_.few.push_back(id);
      }
      std::shared_ptr<const AllowedTokens> Allowed() override {
        return std::make_shared<const AllowedTokens>(set_);
      }
      void Append(TokenId) override {}
      TokenId TowardsEnd() override { return 1; }

     private:
      AllowedTokens set_;
    };
    return std::make_unique<Cursor>(limit_);
  }

 private:
  const TokenId limit_;
};

}  // namespace

TEST_CASE("reasoning that goes on is ended, and the answer is free") {
  const auto cursor = text::HoldThinking(kBudget, nullptr)->Start();
  for (const TokenId id : {1, 2, 3}) {
    CHECK(!Forced(*cursor));
    cursor->Append(id);
  }
  for (const TokenId id : {80, 81}) {
    CHECK(Forced(*cursor) == id);
    cursor->Append(id);
  }
  for (int i = 0; i < 10; ++i) {
    CHECK(!Forced(*cursor));
    cursor->Append(i);
  }
}

TEST_CASE("reasoning that ends by itself is left alone, as is an answer without any") {
  const auto ended = text::HoldThinking(kBudget, nullptr)->Start();
  const auto unopened = kBudget;
  text::ThinkingBudget budget = unopened;
  budget.opened = false;
  const auto without = text::HoldThinking(budget, nullptr)->Start();
  ended->Append(1);
  ended->Append(80);
  for (int i = 0; i < 10; ++i) {
    CHECK(!Forced(*ended));
    CHECK(!Forced(*without));
    ended->Append(i);
    without->Append(i);
  }
  // Opened by the answer.
  const auto opened = text::HoldThinking(budget, nullptr)->Start();
  for (const TokenId id : {90, 91, 1, 2, 3}) {
    CHECK(!Forced(*opened));
    opened->Append(id);
  }
  CHECK(Forced(*opened) == 80);
  budget.tokens = 0;
  const auto none = text::HoldThinking(budget, nullptr)->Start();
  none->Append(90);
  CHECK(!Forced(*none));
  none->Append(91);
  CHECK(Forced(*none) == 80);
}

TEST_CASE("what else the text is held to holds, too") {
  const auto takes = text::HoldThinking(kBudget, std::make_shared<Below>(85))->Start();
  CHECK(takes->Allowed()->few.size() == 85);
  for (const TokenId id : {1, 2, 3}) takes->Append(id);
  CHECK(Forced(*takes) == 80);
  // Where the end is not allowed, the reasoning goes on.
  const auto refuses = text::HoldThinking(kBudget, std::make_shared<Below>(70))->Start();
  for (const TokenId id : {1, 2, 3}) refuses->Append(id);
  CHECK(refuses->Allowed()->few.size() == 70);
}

TEST_CASE("a budget is read where a model marks its reasoning by tokens") {
  const auto model = [](std::vector<std::string> control, const char* chat_template) {
    const auto tokenizer = std::make_shared<ByteTokenizer>(
        ByteVocabulary{.control = std::move(control), .texts = {}, .ends = {257}});
    return std::make_shared<const text::ServedModel>(
        text::ServedModel{.name = "m",
                          .tokenizer = tokenizer,
                          .chat = text::ChatTemplate::FromText("t", chat_template, tokenizer),
                          .context_tokens = Tokens(1000),
                          .origin_label = "computed: bytes",
                          .grammars = std::make_shared<grammar::GrammarCompiler>(tokenizer)});
  };
  const auto ask = [](std::shared_ptr<const text::ServedModel> served, const std::string& fields) {
    const text::ModelCatalog catalog({std::move(served)});
    auto parsed =
        ParseChat(R"({"model":"m","messages":[{"role":"user","content":"hi"}],)" + fields + "}",
                  {.request_id = "r", .tenant = "t"}, catalog);
    if (parsed.ok()) CHECK(FindConstraint(&*parsed));
    return parsed;
  };
  constexpr char kOpens[] = "{{ messages[0].content }}<think>";
  const auto thinker = model({"<s>", "</s>", "<think>", "</think>"}, kOpens);
  for (const char* name : {"thinking_budget", "thinking_token_budget"}) {
    const auto parsed = ask(thinker, "\"" + std::string(name) + "\":5");
    REQUIRE(parsed.ok());
    CHECK(parsed->warning.empty());
    REQUIRE(parsed->thinking);
    CHECK(parsed->thinking->tokens == 5);
    CHECK(parsed->thinking->opened);
    const auto cursor = parsed->requests[0].sampling.constraint->Start();
    for (int i = 0; i < 5; ++i) cursor->Append('a');
    CHECK(Forced(*cursor) == thinker->tokenizer->FindSpecial("</think>"));
  }
  CHECK(ask(thinker, R"("seed":1)")->requests[0].sampling.constraint == nullptr);
  CHECK(!ask(thinker, R"("thinking_budget":-1)").ok());
  CHECK(!ask(model({"<s>", "</s>"}, kOpens), R"("thinking_budget":5)").ok());
  const auto plain =
      ask(model({"<s>", "</s>"}, "{{ messages[0].content }}"), R"("thinking_budget":5)");
  CHECK(plain->warning == "thinking_budget without effect: this answer has no reasoning");
}

}  // namespace waferline::openai
