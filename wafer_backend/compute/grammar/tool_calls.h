// Calls of functions as text: how a model writes them, and the rules for it. A value; pure
// functions.
#pragma once

#include <boost/json/value.hpp>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "wafer_backend/compute/grammar/rules.h"

namespace waferline::grammar {

// begin head NAME middle ARGUMENTS tail [between head NAME ...] end
struct ToolCallForm {
  std::string name;  // "hermes"
  std::string begin = {}, head = {}, middle = {}, tail = {}, between = {}, end = {};
  std::string not_in_text = {};      // a regular expression; no text before calls has a part of it
  bool begins_with_control = false;  // `begin` begins with a control token's name
  bool only_alone = false;           // a call has no text before it
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

// `text`: what an answer without calls must be; none if it is free. InvalidArgument: a schema
// cannot be honoured, with the tool's name.
absl::StatusOr<RuleId> WriteToolCalls(const ToolCalls& calls, const RuleId* text,
                                      RuleBuilder* builder);

}  // namespace waferline::grammar
