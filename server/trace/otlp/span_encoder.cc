#include "server/trace/otlp/span_encoder.h"

#include "absl/strings/escaping.h"

namespace waferline::trace {
namespace {

namespace otlp = opentelemetry::proto;

void Set(const std::string& value, otlp::common::v1::AnyValue* out) {
  out->set_string_value(value);
}
void Set(int64_t value, otlp::common::v1::AnyValue* out) { out->set_int_value(value); }
void Set(const std::vector<std::string>& values, otlp::common::v1::AnyValue* out) {
  for (const std::string& value : values) {
    out->mutable_array_value()->add_values()->set_string_value(value);
  }
}

template <typename Value, typename Message>
void AddAttribute(const std::string& key, const Value& value, Message* message) {
  auto* attribute = message->add_attributes();
  attribute->set_key(key);
  Set(value, attribute->mutable_value());
}

void Encode(const Span& span, otlp::trace::v1::Span* out) {
  using Message = otlp::trace::v1::Span;
  out->set_trace_id(absl::HexStringToBytes(span.trace_id));
  out->set_span_id(absl::HexStringToBytes(span.span_id));
  out->set_parent_span_id(absl::HexStringToBytes(span.parent_id));
  out->set_trace_state(span.state);
  out->set_name(span.name);
  out->set_kind(span.kind == Span::Kind::kServer ? Message::SPAN_KIND_SERVER
                                                 : Message::SPAN_KIND_INTERNAL);
  out->set_start_time_unix_nano(static_cast<uint64_t>(span.begin_unix_ns));
  out->set_end_time_unix_nano(static_cast<uint64_t>(span.end_unix_ns));
  for (const auto& [key, value] : span.attributes) {
    std::visit([&key = key, out](const auto& one) { AddAttribute(key, one, out); }, value);
  }
  if (span.status.ok()) return;
  out->mutable_status()->set_code(otlp::trace::v1::Status::STATUS_CODE_ERROR);
  // Not its message, which may quote the request.
  out->mutable_status()->set_message(absl::StatusCodeToString(span.status.code()));
}

}  // namespace

ExportRequest EncodeSpans(const ServiceFacts& service, std::span<const Span> spans) {
  ExportRequest request;
  auto* of_resource = request.add_resource_spans();
  AddAttribute("service.name", service.name, of_resource->mutable_resource());
  AddAttribute("service.version", service.version, of_resource->mutable_resource());
  AddAttribute("service.instance.id", service.instance_id, of_resource->mutable_resource());
  auto* of_scope = of_resource->add_scope_spans();
  of_scope->mutable_scope()->set_name("waferline");
  of_scope->mutable_scope()->set_version(service.version);
  for (const Span& span : spans) Encode(span, of_scope->add_spans());
  return request;
}

}  // namespace waferline::trace
