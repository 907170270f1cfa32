// The page at "/": what runs here, in one self-contained document. It reads /v1/models and /metrics
// of the same server.
#pragma once

#include <string_view>

namespace waferline::http {

extern const std::string_view kIndexPage;

}  // namespace waferline::http
