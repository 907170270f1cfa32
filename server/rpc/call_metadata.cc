#include "server/rpc/call_metadata.h"

#include <algorithm>

namespace waferline::rpc {
namespace {

bool IsHex(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool IsZero(std::string_view text) { return text.find_first_not_of('0') == std::string::npos; }

}  // namespace

std::string MetadataOf(const grpc::ServerContextBase& context, std::string_view key) {
  const auto& all = context.client_metadata();
  const auto found = all.find(grpc::string_ref(key.data(), key.size()));
  return found == all.end() ? std::string()
                            : std::string(found->second.data(), found->second.size());
}

bool IsTraceparent(std::string_view value) {
  // 2 + 1 + 32 + 1 + 16 + 1 + 2 characters; later versions may append "-...".
  if (value.size() < 55 || value[2] != '-' || value[35] != '-' || value[52] != '-') return false;
  const std::string_view version = value.substr(0, 2), trace = value.substr(3, 32),
                         parent = value.substr(36, 16), flags = value.substr(53, 2);
  if (!IsHex(version) || !IsHex(trace) || !IsHex(parent) || !IsHex(flags)) return false;
  if (version == "ff" || IsZero(trace) || IsZero(parent)) return false;
  return value.size() == 55 || (version != "00" && value[55] == '-');
}

void EchoMetadata(grpc::ServerContextBase* context, const std::string& request_id) {
  context->AddInitialMetadata("x-request-id", request_id);
  const std::string trace = MetadataOf(*context, "traceparent");
  if (IsTraceparent(trace)) context->AddInitialMetadata("traceparent", trace);
}

}  // namespace waferline::rpc
