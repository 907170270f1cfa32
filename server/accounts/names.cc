#include "server/accounts/names.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "wafer_backend/base/field_error.h"
#include "wafer_backend/base/strings.h"

namespace waferline::accounts {

absl::Status FieldError(std::string_view field, std::string_view what) {
  return WithField(absl::InvalidArgumentError(absl::StrCat(Absl(field), ": ", Absl(what))), field);
}

absl::Status CheckName(std::string_view field, std::string_view name, bool may_be_empty) {
  if (name.empty() && may_be_empty) return absl::OkStatus();
  if (name.empty()) return FieldError(field, "is missing");
  if (name == kNoTenant) return FieldError(field, "stands for usage without a tenant");
  if (name.size() > kMaxNameBytes) {
    return FieldError(field, absl::StrCat("has ", name.size(), " bytes; at most ", kMaxNameBytes));
  }
  for (const char c : name) {
    if (!absl::ascii_isalnum(static_cast<unsigned char>(c)) && !absl::StrContains("-_.@:/+", c)) {
      return FieldError(field,
                        "has a character that is not allowed: allowed are letters, digits and "
                        "-_.@:/+");
    }
  }
  return absl::OkStatus();
}

absl::Status CheckTitle(std::string_view name) {
  if (name.empty()) return FieldError("name", "is missing");
  if (name.size() > kMaxNameBytes) {
    return FieldError("name", absl::StrCat("has ", name.size(), " bytes; at most ", kMaxNameBytes));
  }
  for (const char c : name) {
    if (static_cast<unsigned char>(c) < ' ' || c == 127) {
      return FieldError("name", "has a control character");
    }
  }
  return absl::OkStatus();
}

}  // namespace waferline::accounts
