// Answers for tests: tokens through a ChoiceText, and the events of a stream.
#pragma once

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/openai/answer_writer.h"
#include "server/openai/choice_text.h"
#include "tests/unit/server/openai/byte_model.h"

namespace waferline::openai {

namespace json = boost::json;

inline const auto kTokenizer = ChatTokenizer();

inline std::shared_ptr<ResponseShape> Shape(ResponseShape::Kind kind, int n = 1) {
  auto shape = std::make_shared<ResponseShape>();
  shape->kind = kind;
  shape->id = "id-1";
  shape->created_unix_seconds = 1700000000;
  shape->model = "bytes";
  shape->n = n;
  shape->prompts.push_back(
      {std::make_shared<std::vector<TokenId>>(std::vector<TokenId>{kBos, 'p'}), "p"});
  shape->end_ids = kTokenizer->end_ids();
  return shape;
}

inline TokenValue Value(TokenId id) { return {id, -0.5f, {{id, -0.5f}, {'z', -1.5f}}}; }

// Feeds all tokens, cutting a delta after each token where `cut` says so.
struct Fed {
  std::vector<Delta> deltas;
  bool stopped = false;
};
template <typename Cut>
Fed FeedAll(const std::shared_ptr<const ResponseShape>& shape, const std::vector<TokenId>& ids,
            Cut cut) {
  ChoiceText text(shape, kTokenizer);
  Fed fed;
  Delta delta;
  for (size_t i = 0; i < ids.size() && !fed.stopped; ++i) {
    const TokenValue value = Value(ids[i]);
    fed.stopped = text.Feed({.index = static_cast<uint32_t>(i),
                             .value = &value,
                             .since_arrival = Microseconds(static_cast<int64_t>(i) + 1)},
                            &delta);
    if (cut(i) && !delta.empty()) fed.deltas.push_back(std::exchange(delta, {}));
  }
  text.Finish(&delta);
  if (!delta.empty()) fed.deltas.push_back(std::move(delta));
  return fed;
}

inline std::vector<TokenId> IdsOf(std::string_view text) {
  return kTokenizer->Encode(text, {.add_special = false});
}

inline Delta Join(const std::vector<Delta>& deltas) {
  Delta all;
  for (const Delta& delta : deltas) {
    all.text += delta.text;
    all.reasoning += delta.reasoning;
    all.tokens.insert(all.tokens.end(), delta.tokens.begin(), delta.tokens.end());
  }
  return all;
}

inline std::vector<json::value> Events(std::string_view stream) {
  std::vector<json::value> events;
  while (!stream.empty()) {
    const size_t end = stream.find("\n\n");
    REQUIRE(end != std::string_view::npos);
    REQUIRE(stream.substr(0, 6) == "data: ");
    const std::string_view data = stream.substr(6, end - 6);
    if (data != "[DONE]") events.push_back(json::parse({data.data(), data.size()}));
    stream.remove_prefix(end + 2);
  }
  return events;
}

inline std::string Text(const json::value& value) { return std::string(value.as_string()); }

}  // namespace waferline::openai
