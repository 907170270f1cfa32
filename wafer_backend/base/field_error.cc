#include "wafer_backend/base/field_error.h"

#include "absl/strings/cord.h"
#include "wafer_backend/base/strings.h"

namespace waferline {
namespace {
constexpr char kPayload[] = "waferline/field";
}  // namespace

absl::Status WithField(absl::Status status, std::string_view field) {
  status.SetPayload(kPayload, absl::Cord(Absl(field)));
  return status;
}

std::string FieldOf(const absl::Status& status) {
  const auto payload = status.GetPayload(kPayload);
  return payload ? std::string(*payload) : std::string();
}

}  // namespace waferline
