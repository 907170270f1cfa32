#include "server/openai/answer_head.h"

#include <optional>

#include "server/openai/json_text.h"

namespace waferline::openai {

ServiceTier ServedAsAsked(const ResponseShape& shape) {
  return ServedTier(ServiceTierNamed(shape.service_tier).value_or(ServiceTier::kAuto),
                    std::nullopt);
}

std::string AnswerHead(const ResponseShape& shape, ServiceTier served) {
  std::string out = "{\"id\":";
  AppendQuoted(out, shape.id);
  out += ",\"object\":\"";
  if (shape.chat()) {
    out += shape.stream ? "chat.completion.chunk" : "chat.completion";
  } else {
    out += "text_completion";
  }
  out += "\",\"created\":";
  AppendInteger(out, shape.created_unix_seconds);
  out += ",\"model\":";
  AppendQuoted(out, shape.model);
  out += ",\"system_fingerprint\":\"";
  out += shape.computed ? "waferline-computed" : "waferline-stand-in";
  out += "\",\"service_tier\":\"";
  out += NameOf(served);
  out += '"';
  if (!shape.service_tier.empty()) {
    out += ",\"service_tier_used\":\"";
    out += NameOf(served);
    out += '"';
  }
  return out;
}

}  // namespace waferline::openai
