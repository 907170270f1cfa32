#include "server/text/answer_form.h"

namespace waferline::text {

void ReadAsReply(const ChatTemplate& chat, const model::Tokenizer& tokenizer,
                 const std::vector<TokenId>& prompt, AnswerForm* form) {
  form->text.ends = chat.stop_strings();
  form->text.drop_first_space = chat.reply_begins_with_space();
  form->reasoning = chat.reasoning();
  form->text.always_shown = MarkTokens(form->reasoning, tokenizer);
  form->reasoning_opened = OpensReasoning(form->reasoning, tokenizer, prompt);
}

void HoldTo(const grammar::GrammarSpec& spec, AnswerForm* form) {
  if (spec.calls != nullptr) {
    form->calls = spec.calls->form;
    form->calls_forced = !spec.calls->text_allowed;
    const grammar::ToolCallForm& calls = *form->calls;
    // Channels of text have the same opening.
    const bool opening = !calls.opening.empty() && calls.aside_begin.empty();
    form->text.calls_begin = opening ? calls.opening : calls.begin + calls.head;
    form->text.calls_alone = calls.only_alone;
    form->text.only_calls = form->calls_forced;
    // The marks of calls must be seen; no other control token comes.
    if (!form->calls->controls.empty()) form->text.skip_special = false;
  } else {
    form->text.drop_first_space = false;  // the first character is what the constraint says
  }
  // Where text is not free, all of it is the answer.
  if (spec.calls == nullptr || form->calls_forced || spec.answer != nullptr) {
    form->reasoning = ReasoningMarks::kNone;
  }
}

}  // namespace waferline::text
