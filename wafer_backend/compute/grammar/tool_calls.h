// Calls of functions as text: how a model writes them, and the rules for it. A value; pure
// functions.
#pragma once

#include <boost/json/value.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "wafer_backend/compute/grammar/rules.h"

namespace waferline::grammar {

// begin head NAME middle ARGUMENTS tail [between head NAME ...] end
//
// ARGUMENTS are a JSON object or, where key_end is not empty, key_begin KEY key_end VALUE value_end
// for each argument, with `separator` between two. There a VALUE is JSON, or a bare text if the
// argument's schema says so; or, with `python`, JSON with Python's True, False and None.
struct ToolCallForm {
  std::string name;  // "hermes"
  std::string begin = {}, head = {}, middle = {}, tail = {}, between = {}, end = {};
  std::string not_in_text = {};  // a regular expression; no text before calls has a part of it
  std::vector<std::string> controls = {};  // control tokens, whose names are in the texts above
  bool only_alone = false;                 // a call has no text before it
  bool one_call = false;                   // a call ends the answer
  // What begins a call and is in no text. "": texts may begin like a call that is cut short.
  std::string opening = {};
  std::string key_begin = {}, key_end = {}, value_end = {}, separator = {};
  bool python = false;
  // Where they are not empty, text comes as any number of asides, aside_begin TEXT aside_end, and
  // then, if there is no call, text_begin TEXT.
  std::string aside_begin = {}, aside_end = {}, text_begin = {};
  std::vector<std::pair<std::string, std::string>> bare = {};  // function, argument

  bool tagged() const { return !key_end.empty(); }
  bool IsBare(std::string_view function, std::string_view argument) const;
};

struct ToolCalls {
  struct Tool {
    std::string name;
    boost::json::value arguments;  // a JSON schema
  };
  ToolCallForm form;
  std::vector<Tool> tools;   // those that may be called
  bool text_allowed = true;  // also an answer without calls, and text before them
  bool several = true;       // more than one call
};

// Finds form.bare: arguments whose own schema has "type": "string".
void FindBareArguments(ToolCalls* calls);

// `text`: what an answer without calls must be; none if it is free. InvalidArgument: a schema
// cannot be honoured, with the tool's name.
absl::StatusOr<RuleId> WriteToolCalls(const ToolCalls& calls, const RuleId* text,
                                      RuleBuilder* builder);

}  // namespace waferline::grammar
