// Tools for templates that know nothing of them: described in a system message, calls and answers
// as text in the hermes format. Pure functions.
#pragma once

#include <boost/json/array.hpp>
#include <span>
#include <vector>

#include "server/text/chat_template.h"

namespace waferline::text {

bool MentionTools(std::span<const ChatMessage> messages, const boost::json::array& tools);

// The same conversation in messages of system, user and assistant only.
std::vector<ChatMessage> ToolsAsText(std::span<const ChatMessage> messages,
                                     const boost::json::array& tools);

}  // namespace waferline::text
