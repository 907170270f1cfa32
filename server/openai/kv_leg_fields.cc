#include "server/openai/kv_leg_fields.h"

#include <boost/json/serialize.hpp>
#include <utility>

#include "server/openai/api_error.h"
#include "server/openai/json_text.h"
#include "server/serving/limits.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"

namespace waferline::openai {
namespace {

constexpr char kName[] = "kv_transfer_params";
constexpr size_t kMaxFields = 64;

absl::StatusOr<serving::KvParams> ReadParams(const boost::json::object& object) {
  if (object.size() > kMaxFields) return FieldError(kName, "has too many fields");
  serving::KvParams params;
  for (const auto& [name, value] : object) {
    if (name.size() > serving::kMaxNameBytes ||
        (value.is_string() && value.get_string().size() > serving::kMaxNameBytes)) {
      return FieldError(kName, "has a text that is too long");
    }
    // Off, as routers write what they do not use.
    if (value.is_null() || value == boost::json::value(false)) continue;
    params[name] =
        value.is_string() ? std::string(value.get_string().c_str()) : boost::json::serialize(value);
  }
  return params;
}

}  // namespace

absl::Status ReadKvLeg(Fields& fields, const Envelope& envelope, ParsedRequest* parsed) {
  const boost::json::object* object = fields.Object(kName);
  WL_RETURN_IF_ERROR(fields.status());
  if (object == nullptr) return absl::OkStatus();
  WL_ASSIGN_OR_RETURN(const serving::KvParams params, ReadParams(*object));
  if (params.empty()) return absl::OkStatus();
  if (envelope.handoffs->enabled() && parsed->requests.size() != 1) {
    return FieldError(kName, "needs one prompt and n: 1");
  }
  auto handed = envelope.handoffs->Apply(params, envelope.unix_seconds, &parsed->requests.front());
  if (!handed.ok()) {
    const absl::Status named = WithParam(
        absl::Status(handed.status().code(),
                     "'kv_transfer_params' " + std::string(Std(handed.status().message()))),
        kName);
    return envelope.handoffs->enabled() ? named : WithCode(named, "unsupported_parameter");
  }
  if (!handed->empty() && parsed->shape.stream) {
    return FieldError("stream", "must be false with do_remote_decode: the answer hands over");
  }
  parsed->shape.handed_over = *std::move(handed);
  return absl::OkStatus();
}

void AppendKvParams(std::string& out, const serving::KvParams& params) {
  char before = '{';
  for (const auto& [name, text] : params) {
    out += std::exchange(before, ',');
    AppendQuoted(out, name);
    out += ':';
    serving::IsFlag(name) ? void(out += text) : AppendQuoted(out, text);
  }
  out += '}';
}

}  // namespace waferline::openai
