// Answers of /v1/responses: an object with a list of items (reasoning, a message, function calls),
// or the events that build it up, numbered from 0. One choice.
#pragma once

#include <boost/json/array.hpp>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "server/openai/answer_format.h"
#include "server/openai/answer_parts.h"
#include "server/openai/responses/response_store.h"

namespace waferline::openai {

// What an answer takes from its request.
struct ResponsePlan {
  std::string repeated;  // members of the object that repeat the request, each with "," before it
  boost::json::array messages;                // the conversation so far
  std::function<void(StoredResponse)> store;  // once the answer is complete; none: it is not kept
};

class ResponseFormat final : public AnswerFormat {
 public:
  ResponseFormat(const ResponsePlan& plan, const ResponseShape& shape);

  void AppendStart(std::string& out) override;
  void AppendPrompt(std::string&, size_t, const std::vector<TokenDetail>&) override {}  // no echo
  void SetServed(ServiceTier served) override { served_ = served; }
  void AppendDelta(std::string& out, size_t choice, const Delta& delta) override;
  void CountTokens(uint32_t) override {}
  void AppendFinish(std::string& out, size_t choice, const ChoiceEnd& end,
                    const Usage* usage_of_the_last) override;
  void AppendEnd(std::string& out, const Usage& usage) override;
  void AppendFailure(std::string& out, const absl::Status& status) override;
  std::string Document(const std::vector<ChoiceResult>& results) override;

 private:
  struct Item {
    enum class Kind : uint8_t { kReasoning, kMessage, kCall } kind;
    std::string id;
    std::string text;  // of a call: its arguments
    std::string name, call_id;
    const char* status = "in_progress";
  };

  void Take(std::string& out, AnswerPart part);
  void Begin(std::string& out, Item item);
  void AppendText(std::string& out, std::string_view text);
  void EndItem(std::string& out, const char* status);
  void AppendItem(std::string& out, const Item& item, bool with_content) const;
  void AppendContent(std::string& out, const Item& item, std::string_view text) const;
  // {"type":TYPE,"sequence_number":N, to be closed by Close.
  void Open(std::string& out, std::string_view type);
  // The same of the item under way, with its ids.
  void OpenOfItem(std::string& out, std::string_view type);
  static void Close(std::string& out);
  void AppendResponse(std::string& out, const char* status, const Usage* usage) const;
  void Store(const std::string& document);

  const ResponsePlan plan_;
  const ResponseShape& shape_;
  AnswerParts parts_;
  std::vector<Item> items_;
  int calls_ = 0;
  uint64_t next_number_ = 0;
  const char* status_ = "in_progress";
  const char* incomplete_ = R"({"reason":"max_output_tokens"})";  // why, if it is
  ServiceTier served_;                                            // until a token came: as asked
  absl::Status failure_;
};

}  // namespace waferline::openai
