// Where a request comes from: what browsers and proxies say about it. Pure; any thread.
//
// A page of another machine can make a browser send requests here, and by pointing its own name at
// 127.0.0.1 (DNS rebinding) even read the replies; a proxy on this machine makes the internet look
// like this machine. Both show in the headers: the browser names the page's host, a proxy says for
// whom it asks.
#pragma once

#include <string_view>

#include "server/http/exchange.h"

namespace waferline::http {

// Whether "host" or "host:port" is a name of this machine's loopback: localhost, 127.x.y.z, [::1].
bool IsLoopbackHost(std::string_view host);

// Whether "host" or "host:port" is this name, in whatever case.
bool IsNamed(std::string_view host, std::string_view name);

// Whether a page from `origin` ("http://localhost:3000") runs on this machine.
bool IsLoopbackOrigin(std::string_view origin);

// Whether the request's page was served by this server itself, under the name that it now uses. A
// peer on this machine must use one of the machine's own names.
bool IsOwnOrigin(const Request& request);

// Whether this machine itself asks: its peer is on loopback, calls the server by a name of loopback
// and asks for no one else. A proxy that says nothing (neither Forwarded, X-Forwarded-*, X-Real-IP
// nor Via) and rewrites Host looks the same: configure keys behind one.
bool IsFromThisMachine(const Request& request);

}  // namespace waferline::http
