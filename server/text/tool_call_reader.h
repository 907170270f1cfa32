// Finds calls in the text of an answer as it arrives; their arguments become JSON, whatever the
// form. The text follows a grammar made of the same form
// (wafer_backend/compute/grammar/tool_calls.h), so that it needs no guesses; text that is cut short
// by max_tokens gives what is there of a call, and nothing of its marks.
//
// A resource of one choice: one thread. Holds back what may begin a call, and white space at the
// end.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "wafer_backend/compute/grammar/tool_calls.h"

namespace waferline::text {

class ToolCallReader {
 public:
  struct Part {
    enum Kind : uint8_t { kText, kCall, kArguments } kind;
    std::string text;  // of a call: the function's name
  };

  // `forced`: nothing but calls comes.
  explicit ToolCallReader(const grammar::ToolCallForm& form, bool forced = false)
      : form_(form), forced_(forced) {}

  // What became certain.
  std::vector<Part> Feed(std::string_view text);
  // The text is over.
  std::vector<Part> Finish();

  const grammar::ToolCallForm& form() const { return form_; }
  int calls() const { return calls_; }  // begun so far
  // There is a call, and none was cut short: by a stop token, or by max_tokens.
  bool calls_are_whole() const {
    return calls_ > 0 && (state_ == State::kBehind || state_ == State::kText);
  }

 private:
  // kKeyOrEnd to kValue: of tagged arguments, which are given as JSON.
  enum class State : uint8_t { kText, kName, kArguments, kKeyOrEnd, kKey, kValue, kBehind };
  bool Read(std::vector<Part>* parts);
  bool ReadText(std::vector<Part>* parts);
  bool ReadName(std::vector<Part>* parts);
  bool ReadArguments(std::vector<Part>* parts);
  bool ReadKeyOrEnd(std::vector<Part>* parts);
  bool ReadKey(std::vector<Part>* parts);
  bool ReadValue(std::vector<Part>* parts);
  bool ReadPythonValue(std::vector<Part>* parts);
  size_t EndOfValue() const;

  const grammar::ToolCallForm form_;
  const bool forced_;
  State state_ = State::kText;
  std::string held_;
  int calls_ = 0;
  bool any_text_ = false;
  // In arguments.
  std::string function_;
  bool first_key_ = true;
  bool bare_ = false;
  int depth_ = 0;
  bool in_string_ = false;
  int skip_ = 0;  // letters of a literal whose JSON was given
  bool escaped_ = false;
};

}  // namespace waferline::text
