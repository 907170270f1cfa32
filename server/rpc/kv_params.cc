#include "server/rpc/kv_params.h"

#include <cmath>
#include <cstdint>

#include "absl/strings/str_cat.h"

namespace waferline::rpc {
namespace {
constexpr int kMaxFields = 64;
constexpr size_t kMaxTextBytes = 1024;
constexpr char kNoText[] = "{}";  // no field here is a list or an object: which one does not matter
}  // namespace

absl::StatusOr<serving::KvParams> ReadKvParams(const google::protobuf::Struct& fields) {
  if (fields.fields_size() > kMaxFields) {
    return absl::InvalidArgumentError(absl::StrCat("must have at most ", kMaxFields, " fields"));
  }
  serving::KvParams params;
  for (const auto& [name, value] : fields.fields()) {
    if (name.size() > kMaxTextBytes || value.string_value().size() > kMaxTextBytes) {
      return absl::InvalidArgumentError(
          absl::StrCat("texts must have at most ", kMaxTextBytes, " bytes"));
    }
    if (value.has_string_value()) params[name] = value.string_value();
    if (value.has_bool_value() && value.bool_value()) params[name] = "true";
    if (value.has_list_value() || value.has_struct_value()) params[name] = kNoText;
    if (!value.has_number_value()) continue;
    const double number = value.number_value();
    const bool whole = std::abs(number) < 0x1p53 && number == std::floor(number);
    params[name] = whole ? absl::StrCat(static_cast<int64_t>(number)) : absl::StrCat(number);
  }
  return params;
}

void WriteKvParams(const serving::KvParams& params, google::protobuf::Struct* fields) {
  for (const auto& [name, text] : params) {
    google::protobuf::Value& value = (*fields->mutable_fields())[name];
    if (serving::IsFlag(name)) {
      value.set_bool_value(text == "true");
    } else {
      value.set_string_value(text);
    }
  }
}

}  // namespace waferline::rpc
