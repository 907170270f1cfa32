// What names of tenants, projects and keys may be. Pure functions, any thread.
#pragma once

#include <string_view>

#include "absl/status/status.h"
#include "server/billing/usage_record.h"

namespace waferline::accounts {

inline constexpr size_t kMaxNameBytes = 128;
using billing::kNoTenant;

// "FIELD: WHAT", InvalidArgument, carrying the field.
absl::Status FieldError(std::string_view field, std::string_view what);
// Names go into headers, logs, tables and paths: ASCII letters, digits and -_.@:/+
absl::Status CheckName(std::string_view field, std::string_view name, bool may_be_empty);
// The field `name` that people read: any text of one line.
absl::Status CheckTitle(std::string_view name);

}  // namespace waferline::accounts
