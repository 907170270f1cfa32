#include "server/engines/codec_parts.h"

#include <limits>
#include <string>

#include "absl/strings/str_cat.h"
#include "server/rpc/rpc_status.h"
#include "wafer_backend/base/field_error.h"
#include "wafer_backend/base/strings.h"

namespace waferline::engines {
namespace {

bool IsSet(const google::protobuf::Message& message, std::string_view path) {
  const size_t dot = path.find('.');
  const auto* field = message.GetDescriptor()->FindFieldByName(std::string(path.substr(0, dot)));
  const auto* reflection = message.GetReflection();
  if (field->is_repeated()) return reflection->FieldSize(message, field) > 0;
  if (!reflection->HasField(message, field)) return false;
  if (field->cpp_type() == google::protobuf::FieldDescriptor::CPPTYPE_BOOL) {
    return reflection->GetBool(message, field);
  }
  if (field->cpp_type() != google::protobuf::FieldDescriptor::CPPTYPE_MESSAGE) return true;
  const bool last = dot == std::string_view::npos;
  if (last && field->real_containing_oneof() != nullptr) return true;  // chosen, though empty
  const auto& inner = reflection->GetMessage(message, field);
  return last ? inner.ByteSizeLong() > 0 : IsSet(inner, path.substr(dot + 1));
}

// Whether `path` is `whole` or a part of it; "stop." has all parts of stop.
bool IsWithin(std::string_view path, std::string_view whole) {
  if (!path.starts_with(whole)) return false;
  return path.size() == whole.size() || whole.ends_with('.') || path[whole.size()] == '.' ||
         path[whole.size()] == '[';
}

}  // namespace

absl::Status RefuseFields(const google::protobuf::Message& message,
                          std::span<const std::string_view> paths) {
  for (const std::string_view path : paths) {
    if (IsSet(message, path)) {
      return rpc::FieldError(path, "is not supported over this protocol; leave it out");
    }
  }
  return absl::OkStatus();
}

absl::Status InNames(FieldNames names, const absl::Status& status) {
  const std::string field = FieldOf(status);
  for (const auto& [ours, theirs] : names) {
    if (!IsWithin(field, ours)) continue;
    const std::string own = absl::StrCat(Absl(theirs), field.substr(ours.size()));
    std::string text(status.message());
    if (text.starts_with(field)) text.replace(0, field.size(), own);
    return WithField(absl::Status(status.code(), text), own);
  }
  return status;
}

absl::Status ReadIds(std::string_view field, const google::protobuf::RepeatedField<uint32_t>& from,
                     google::protobuf::RepeatedField<int32_t>* to) {
  to->Reserve(from.size());
  for (int i = 0; i < from.size(); ++i) {
    if (from[i] > static_cast<uint32_t>(std::numeric_limits<int32_t>::max())) {
      return rpc::FieldError(absl::StrCat(Absl(field), "[", i, "]"),
                             absl::StrCat(from[i], " is not a token of this model"));
    }
    to->Add(static_cast<int32_t>(from[i]));
  }
  return absl::OkStatus();
}

}  // namespace waferline::engines
