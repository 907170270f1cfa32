#include "server/openai/logprobs.h"

#include <algorithm>

#include "server/openai/json_text.h"

namespace waferline::openai {
namespace {

void AppendBytes(std::string& out, std::string_view bytes) {
  out += '[';
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (i > 0) out += ',';
    AppendInteger(out, static_cast<unsigned>(static_cast<unsigned char>(bytes[i])));
  }
  out += ']';
}

void AppendChatToken(std::string& out, std::string_view bytes, float logprob) {
  out += "{\"token\":";
  AppendQuoted(out, bytes);
  out += ",\"logprob\":";
  AppendNumber(out, logprob);
  out += ",\"bytes\":";
  AppendBytes(out, bytes);
}

std::string CompletionToken(std::string_view bytes) {
  if (IsUtf8(bytes)) return std::string(bytes);
  constexpr char kHex[] = "0123456789abcdef";
  std::string out = "bytes:";
  for (const char c : bytes) {
    out += "\\x";
    out += kHex[static_cast<unsigned char>(c) >> 4];
    out += kHex[c & 15];
  }
  return out;
}

void AppendTopObject(std::string& out, const model::Tokenizer& tokenizer,
                     const TokenDetail& token) {
  if (!token.has_logprob) {
    out += "null";
    return;
  }
  out += '{';
  const auto entry = [&](TokenId id, float logprob) {
    if (out.back() != '{') out += ',';
    AppendQuoted(out, CompletionToken(tokenizer.Piece(id)));
    out += ':';
    AppendNumber(out, logprob);
  };
  for (const TokenLogprob& top : token.top) entry(top.id, top.logprob);
  const bool there = std::any_of(token.top.begin(), token.top.end(),
                                 [&](const TokenLogprob& top) { return top.id == token.id; });
  if (!there) entry(token.id, token.logprob);
  out += '}';
}

template <typename Append>
void AppendList(std::string& out, std::span<const TokenDetail> tokens, Append append) {
  out += '[';
  bool first = true;
  for (const TokenDetail& token : tokens) {
    if (!token.visible) continue;
    if (!first) out += ',';
    first = false;
    append(token);
  }
  out += ']';
}

}  // namespace

void AppendChatLogprobs(std::string& out, const model::Tokenizer& tokenizer,
                        std::span<const TokenDetail> tokens) {
  out += "{\"content\":";
  AppendList(out, tokens, [&](const TokenDetail& token) {
    AppendChatToken(out, tokenizer.Piece(token.id), token.logprob);
    out += ",\"top_logprobs\":[";
    for (size_t i = 0; i < token.top.size(); ++i) {
      if (i > 0) out += ',';
      AppendChatToken(out, tokenizer.Piece(token.top[i].id), token.top[i].logprob);
      out += '}';
    }
    out += "]}";
  });
  out += ",\"refusal\":null}";
}

int64_t AppendCompletionLogprobs(std::string& out, const model::Tokenizer& tokenizer,
                                 std::span<const TokenDetail> tokens, int64_t offset) {
  out += "{\"tokens\":";
  AppendList(out, tokens, [&](const TokenDetail& token) {
    AppendQuoted(out, CompletionToken(tokenizer.Piece(token.id)));
  });
  out += ",\"token_logprobs\":";
  AppendList(out, tokens, [&](const TokenDetail& token) {
    if (token.has_logprob) {
      AppendNumber(out, token.logprob);
    } else {
      out += "null";
    }
  });
  out += ",\"top_logprobs\":";
  AppendList(out, tokens,
             [&](const TokenDetail& token) { AppendTopObject(out, tokenizer, token); });
  out += ",\"text_offset\":";
  AppendList(out, tokens, [&](const TokenDetail& token) {
    AppendInteger(out, offset);
    if (!tokenizer.IsSpecial(token.id)) offset += CountCodePoints(tokenizer.Piece(token.id));
  });
  out += '}';
  return offset;
}

}  // namespace waferline::openai
