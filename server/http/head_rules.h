// What a request's head must be before its body is read: RFC 9112's rules for Host, the target and
// the body's framing, where reading them loosely lets a request be smuggled past a proxy, and which
// bodies this server takes. Pure; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "server/http/exchange.h"

namespace waferline::http {

// Why a request is refused before a route sees it. The connection closes after it.
struct HeadFault {
  int code = 400;
  std::string message;
  Headers headers;
};

// `target` as it was sent. Sets the request's path, and its Host where the target is absolute.
// 400: Host is missing, doubled or not valid; Transfer-Encoding with Content-Length or in HTTP/1.0,
// or chunked twice; the target has no path. 501: another transfer coding. 417: an expectation other
// than 100-continue.
std::optional<HeadFault> CheckHead(std::string_view target, bool http_1_0, Request* request);

// 415, naming what is taken: the body is of another type than JSON or text (or, for /v1/files, a
// form), or coded otherwise than by gzip.
std::optional<HeadFault> CheckBodyType(const Request& request);

// The path of a request's target ("/v1/models/a%2Fb?x=1" -> "/v1/models/a/b"); with an escape that
// is not valid, as it was sent.
std::string PathOf(std::string_view target);

}  // namespace waferline::http
