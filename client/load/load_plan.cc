#include "client/load/load_plan.h"

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/seeded_stream.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/terminal_text.h"

namespace waferline::load {
namespace {

namespace json = boost::json;

// Parts of the seeded stream.
constexpr uint64_t kArrivals = 1;
constexpr uint64_t kWords = 2;
constexpr uint64_t kManners = 3;

constexpr std::array<std::string_view, 64> kVocabulary = {
    "the",    "a",      "small",  "old",      "red",    "quiet",  "bright", "cold",
    "river",  "garden", "house",  "boat",     "bird",   "child",  "king",   "train",
    "market", "winter", "summer", "story",    "window", "stone",  "walks",  "sings",
    "finds",  "keeps",  "opens",  "carries",  "sees",   "asks",   "waits",  "turns",
    "over",   "under",  "near",   "with",     "before", "after",  "and",    "but",
    "then",   "when",   "while",  "because",  "slowly", "often",  "again",  "never",
    "today",  "home",   "light",  "water",    "road",   "letter", "friend", "apple",
    "bread",  "cloud",  "forest", "mountain", "music",  "paper",  "silver", "green"};

absl::Status Wrong(size_t line, std::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("line ", line, ": ", absl::string_view(why.data(), why.size())));
}

std::string TextOf(const json::string& text) { return {text.data(), text.size()}; }

absl::StatusOr<Prompt> ReadMessages(const json::value& list, size_t line) {
  std::vector<sdk::ChatTurn> turns;
  const json::array none;
  for (const json::value& entry : list.is_array() ? list.get_array() : none) {
    const json::value* role = entry.is_object() ? entry.get_object().if_contains("role") : nullptr;
    const json::value* content =
        entry.is_object() ? entry.get_object().if_contains("content") : nullptr;
    if (role == nullptr || content == nullptr || !role->is_string() || !content->is_string()) {
      return Wrong(line, "each of 'messages' must have a role and a content, both strings");
    }
    turns.push_back({.role = TextOf(role->get_string()), .content = TextOf(content->get_string())});
  }
  if (turns.empty()) return Wrong(line, "'messages' must be a list of at least one message");
  return turns;
}

// ShareGPT's form: what was said before the last answer is the chat to be answered.
absl::StatusOr<Prompt> ReadConversation(const json::value& list, size_t line) {
  std::vector<sdk::ChatTurn> turns;
  const json::array none;
  for (const json::value& entry : list.is_array() ? list.get_array() : none) {
    const json::value* from = entry.is_object() ? entry.get_object().if_contains("from") : nullptr;
    const json::value* value =
        entry.is_object() ? entry.get_object().if_contains("value") : nullptr;
    if (from == nullptr || value == nullptr || !from->is_string() || !value->is_string()) {
      return Wrong(line, "each of 'conversations' must have a from and a value, both strings");
    }
    const std::string who = TextOf(from->get_string());
    const char* role = who == "human" || who == "user"      ? "user"
                       : who == "system"                    ? "system"
                       : who == "gpt" || who == "assistant" ? "assistant"
                                                            : nullptr;
    if (role == nullptr) {
      return Wrong(line, "from must be one of: human, user, gpt, assistant, system");
    }
    turns.push_back({.role = role, .content = TextOf(value->get_string())});
  }
  while (!turns.empty() && turns.back().role == "assistant") turns.pop_back();
  if (turns.empty()) return Wrong(line, "'conversations' has no question");
  return turns;
}

absl::StatusOr<Prompt> ReadPrompt(const json::value& prompt, size_t line) {
  if (prompt.is_string() && !prompt.get_string().empty()) return TextOf(prompt.get_string());
  if (!prompt.is_array() || prompt.get_array().empty()) {
    return Wrong(line, "'prompt' must be a text or a list of token ids, and not empty");
  }
  std::vector<TokenId> ids;
  for (const json::value& id : prompt.get_array()) {
    if (!id.is_int64() || id.get_int64() < 0 || id.get_int64() > INT32_MAX) {
      return Wrong(line, "'prompt' must be token ids only");
    }
    ids.push_back(static_cast<TokenId>(id.get_int64()));
  }
  return ids;
}

absl::StatusOr<Prompt> ReadLine(std::string_view text, size_t line) {
  if (const absl::Status utf8 = CheckUtf8(text); !utf8.ok()) {
    return Wrong(line, std::string(utf8.message()));
  }
  if (text.front() != '{') return std::string(text);
  json::error_code error;
  const json::value value = json::parse({text.data(), text.size()}, error);
  if (error) return Wrong(line, "it starts like JSON but is not valid JSON");
  if (const json::value* messages = value.get_object().if_contains("messages")) {
    return ReadMessages(*messages, line);
  }
  if (const json::value* conversation = value.get_object().if_contains("conversations")) {
    return ReadConversation(*conversation, line);
  }
  if (const json::value* prompt = value.get_object().if_contains("prompt")) {
    return ReadPrompt(*prompt, line);
  }
  return Wrong(line, "it must have one of: prompt, messages, conversations");
}

}  // namespace

RequestManner MannerOf(const ClientManners& manners, const MannerDraw& draw) {
  SeededStream stream = SeededStream(draw.seed).Fork(kManners).Fork(draw.index);
  RequestManner manner;
  const bool cancels = stream.Uniform() < manners.cancel_share;
  const bool slow = stream.Uniform() < manners.slow_share;
  const auto after = static_cast<uint32_t>(1 + stream.Next() % std::max(draw.max_tokens, 1u));
  if (cancels) manner.cancel_after = after;
  if (slow) manner.read_pause = manners.read_pause;
  return manner;
}

std::vector<Nanoseconds> PoissonInstants(uint32_t count, double rate_per_second, uint64_t seed) {
  SeededStream stream = SeededStream(seed).Fork(kArrivals);
  std::vector<Nanoseconds> instants;
  double at_s = 0;
  for (uint32_t i = 0; i < count; ++i) {
    instants.push_back(Nanoseconds(std::llround(at_s * 1e9)));
    at_s += stream.Exponential(1 / rate_per_second);
  }
  return instants;
}

std::string SyntheticPrompt(uint64_t seed, uint32_t index, uint32_t words) {
  SeededStream stream = SeededStream(seed).Fork(kWords).Fork(index);
  std::string text;
  for (uint32_t i = 0; i < words; ++i) {
    const std::string_view word = kVocabulary[stream.Next() % kVocabulary.size()];
    if (i > 0) text += ' ';
    text += word;
  }
  return text;
}

absl::StatusOr<std::vector<Prompt>> ReadPrompts(std::string_view text) {
  constexpr std::string_view kMark = "\xEF\xBB\xBF";
  if (text.starts_with(kMark)) text.remove_prefix(kMark.size());
  std::vector<Prompt> prompts;
  for (size_t line = 1; !text.empty(); ++line) {
    const size_t end = text.find('\n');
    std::string_view one = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (one.ends_with('\r')) one.remove_suffix(1);
    if (one.empty()) continue;
    WL_ASSIGN_OR_RETURN(Prompt prompt, ReadLine(one, line));
    prompts.push_back(std::move(prompt));
  }
  if (prompts.empty()) return absl::InvalidArgumentError("no prompt found");
  return prompts;
}

}  // namespace waferline::load
