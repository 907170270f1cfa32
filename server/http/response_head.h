// The bytes of an HTTP/1.1 response before its body, and of a chunked body. Pure, any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "server/http/exchange.h"

namespace waferline::http {

struct HeadSpec {
  int code = 200;
  std::string_view content_type;
  const Headers* headers[2] = {nullptr, nullptr};  // written in this order
  std::optional<size_t> content_length;            // none: of unknown length
  bool chunked = false;
  bool keep_alive = true;
  int64_t unix_seconds = 0;  // for Date
};
std::string ResponseHead(const HeadSpec& spec);

std::string_view ReasonPhrase(int code);

// RFC 9110's IMF-fixdate: "Sun, 06 Nov 1994 08:49:37 GMT".
std::string HttpDate(int64_t unix_seconds);

// One chunk (RFC 9112, 7.1); `bytes` must not be empty, as an empty chunk ends the body.
void AppendChunk(std::string& out, std::string_view bytes);
inline constexpr std::string_view kLastChunk = "0\r\n\r\n";

// "%2F" to "/". What is no valid escape stays as it is.
std::string PercentDecode(std::string_view text);

}  // namespace waferline::http
