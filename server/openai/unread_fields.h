// Fields of a request that nothing has read, so that they would have no effect. Pure; any thread.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "server/openai/dialect.h"
#include "server/openai/fields.h"

namespace waferline::openai {

// After everything was read. InvalidArgument for a field whose name is a misspelling of one that is
// known, and with refuse_unknown_fields for any. What else was not read is named in `warning`,
// which is fit for a header.
absl::Status CheckUnread(const Fields& fields, const Dialect& dialect, std::string* warning);

}  // namespace waferline::openai
