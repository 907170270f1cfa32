// Fields of a request that nothing has read, so that they would have no effect. Pure; any thread.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "server/openai/dialect.h"
#include "server/openai/fields.h"

namespace waferline::openai {

struct UnreadRules {
  const Dialect& dialect;
  std::span<const std::string_view> own_fields = {};  // of a protocol that is not a chat
};

// After everything was read. InvalidArgument for a field whose name is a misspelling of one that is
// known, and with refuse_unknown_fields for any. What else was not read is named in `warning`,
// which is fit for a header.
absl::Status CheckUnread(const Fields& fields, const UnreadRules& rules, std::string* warning);

}  // namespace waferline::openai
