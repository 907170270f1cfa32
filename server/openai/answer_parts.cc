#include "server/openai/answer_parts.h"

#include <utility>

namespace waferline::openai {
namespace {

AnswerPart FromReader(text::ToolCallReader::Part part) {
  switch (part.kind) {
    case text::ToolCallReader::Part::kText:
      return {AnswerPart::kText, std::move(part.text)};
    case text::ToolCallReader::Part::kCall:
      return {AnswerPart::kCall, std::move(part.text)};
    case text::ToolCallReader::Part::kArguments:
      break;
  }
  return {AnswerPart::kArguments, std::move(part.text)};
}

}  // namespace

AnswerParts::AnswerParts(const ResponseShape& shape) {
  if (shape.calls) calls_.emplace(*shape.calls, shape.calls_forced);
}

std::vector<AnswerPart> AnswerParts::Feed(const Delta& delta) {
  std::vector<AnswerPart> parts;
  if (!delta.reasoning.empty()) parts.push_back({AnswerPart::kReasoning, delta.reasoning});
  if (delta.text.empty()) return parts;
  if (!calls_) {
    parts.push_back({AnswerPart::kText, delta.text});
    return parts;
  }
  for (auto& part : calls_->Feed(delta.text)) parts.push_back(FromReader(std::move(part)));
  return parts;
}

std::vector<AnswerPart> AnswerParts::Finish() {
  std::vector<AnswerPart> parts;
  if (!calls_) return parts;
  for (auto& part : calls_->Finish()) parts.push_back(FromReader(std::move(part)));
  return parts;
}

}  // namespace waferline::openai
