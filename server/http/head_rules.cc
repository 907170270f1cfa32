#include "server/http/head_rules.h"

#include <algorithm>
#include <boost/url/pct_string_view.hpp>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "wafer_backend/base/strings.h"

namespace waferline::http {
namespace {

std::vector<std::string_view> All(const Request& request, std::string_view name) {
  std::vector<std::string_view> values;
  for (const auto& [key, value] : request.headers) {
    if (key == name) values.push_back(value);
  }
  return values;
}

bool AllOf(std::string_view text, std::string_view more_than_letters_and_digits) {
  return std::all_of(text.begin(), text.end(), [&](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
           more_than_letters_and_digits.find(c) != std::string_view::npos;
  });
}

// host[:port] (RFC 3986, without the characters that no name has); empty where there is none.
bool IsHost(std::string_view host) {
  const size_t bracket = host.starts_with('[') ? host.find(']') : 0;
  if (bracket == std::string_view::npos) return false;
  const size_t colon = host.find(':', bracket);
  const std::string_view name = host.substr(0, colon);
  if (colon != std::string_view::npos &&
      host.find_first_not_of("0123456789", colon + 1) != std::string_view::npos) {
    return false;
  }
  return bracket > 0 ? name.size() == bracket + 1 && AllOf(name.substr(1, bracket - 1), ":.")
                     : AllOf(name, "-._~%");
}

std::optional<HeadFault> CheckHost(bool http_1_0, const Request& request) {
  const auto hosts = All(request, "host");
  if (hosts.empty() && !http_1_0) return HeadFault{400, "an HTTP/1.1 request must have a Host", {}};
  if (hosts.size() > 1) return HeadFault{400, "a request must have one Host, not several", {}};
  if (!hosts.empty() && !IsHost(hosts[0])) {
    return HeadFault{400, "Host must be a name or an address, with or without a port", {}};
  }
  return std::nullopt;
}

std::optional<HeadFault> CheckFraming(bool http_1_0, const Request& request) {
  const auto fields = All(request, "transfer-encoding");
  if (fields.empty()) return std::nullopt;
  if (!All(request, "content-length").empty()) {
    return HeadFault{400, "a request has Content-Length or Transfer-Encoding, not both", {}};
  }
  if (http_1_0) return HeadFault{400, "HTTP/1.0 has no Transfer-Encoding", {}};
  size_t chunked = 0;
  for (const std::string_view field : fields) {
    for (const absl::string_view coding : absl::StrSplit(Absl(field), ',')) {
      if (absl::EqualsIgnoreCase(absl::StripAsciiWhitespace(coding), "chunked")) {
        ++chunked;
      } else {
        return HeadFault{501, "the only transfer coding known here is chunked", {}};
      }
    }
  }
  if (chunked != 1) return HeadFault{400, "Transfer-Encoding has chunked twice", {}};
  return std::nullopt;
}

std::string QueryOf(std::string_view target) {
  const size_t mark = target.find('?');
  return mark == std::string_view::npos ? "" : std::string(target.substr(mark + 1));
}

// The target in absolute form stands for a path and the Host (RFC 9112, 3.2.2).
std::optional<HeadFault> CheckTarget(std::string_view target, Request* request) {
  if (target == "*" && request->method == "OPTIONS") {
    request->path = "*";
    return std::nullopt;
  }
  if (target.starts_with('/')) {
    request->path = PathOf(target);
    request->query = QueryOf(target);
    return std::nullopt;
  }
  const HeadFault fault{400, "the target must be a path or an http URL", {}};
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!absl::StartsWithIgnoreCase(Absl(target), Absl(scheme))) continue;
    target.remove_prefix(scheme.size());
    const std::string_view authority = target.substr(0, target.find_first_of("/?"));
    if (authority.empty() || !IsHost(authority)) return fault;
    const std::string_view path = target.substr(authority.size());
    request->path = path.starts_with('/') ? PathOf(path) : "/";
    request->query = QueryOf(path);
    std::erase_if(request->headers, [](const auto& header) { return header.first == "host"; });
    request->headers.emplace_back("host", authority);
    return std::nullopt;
  }
  return fault;
}

bool IsText(absl::string_view type) {
  return type.empty() || absl::EqualsIgnoreCase(type, "application/json") ||
         absl::EndsWithIgnoreCase(type, "+json") || absl::StartsWithIgnoreCase(type, "text/") ||
         // What curl says of --data if it is given no other.
         absl::EqualsIgnoreCase(type, "application/x-www-form-urlencoded") ||
         absl::EqualsIgnoreCase(type, "application/octet-stream");
}

}  // namespace

std::optional<HeadFault> CheckHead(std::string_view target, bool http_1_0, Request* request) {
  if (auto fault = CheckHost(http_1_0, *request)) return fault;
  if (auto fault = CheckFraming(http_1_0, *request)) return fault;
  if (auto fault = CheckTarget(target, request)) return fault;
  for (const std::string_view expectation : All(*request, "expect")) {
    if (!http_1_0 && !absl::EqualsIgnoreCase(Absl(expectation), "100-continue")) {
      return HeadFault{417, "the only expectation known here is 100-continue", {}};
    }
  }
  return std::nullopt;
}

std::optional<HeadFault> CheckBodyType(const Request& request) {
  const std::string_view coding = request.Header("content-encoding");
  if (!coding.empty() && !absl::EqualsIgnoreCase(Absl(coding), "gzip") &&
      !absl::EqualsIgnoreCase(Absl(coding), "x-gzip") &&
      !absl::EqualsIgnoreCase(Absl(coding), "identity")) {
    return HeadFault{
        415,
        absl::StrCat("Content-Encoding '", Absl(coding), "' is not taken here: gzip, or none"),
        {{"accept-encoding", "gzip, identity"}}};
  }
  const std::string_view field = request.Header("content-type");
  const absl::string_view type = absl::StripAsciiWhitespace(Absl(field.substr(0, field.find(';'))));
  if (IsText(type)) return std::nullopt;
  const bool takes_files = request.path == "/v1/files" || request.path == "/openai/v1/files";
  if (takes_files && absl::EqualsIgnoreCase(type, "multipart/form-data")) return std::nullopt;
  return HeadFault{
      415,
      absl::StrCat("Content-Type '", type, "' is not taken here: send application/json"),
      {{"accept", "application/json"}}};
}

std::string PathOf(std::string_view target) {
  const std::string_view path = target.substr(0, target.find('?'));
  const auto escaped = boost::urls::make_pct_string_view({path.data(), path.size()});
  return escaped ? escaped->decode() : std::string(path);
}

}  // namespace waferline::http
