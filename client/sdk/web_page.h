// Answers of what is not a waferd: a proxy's page, or another server's. Pure functions; any thread.
#pragma once

#include <string>
#include <string_view>

namespace waferline::sdk {

// Whether HTML (or XML) came, which no waferd sends where a client asks.
bool IsWebPage(std::string_view body);
// What an error says of it, instead of printing it.
std::string WebPageText(int http_code);

}  // namespace waferline::sdk
