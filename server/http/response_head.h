// The bytes of an HTTP/1.1 response before its body, as Beast writes them, and of a chunked body.
// Pure, any thread.
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

// RFC 9110's IMF-fixdate: "Sun, 06 Nov 1994 08:49:37 GMT".
std::string HttpDate(int64_t unix_seconds);

// One chunk (RFC 9112, 7.1); `bytes` must not be empty, as an empty chunk ends the body. Not
// Beast's chunk_body: this is every token's way, and appends to the buffer that is sent anyway.
void AppendChunk(std::string& out, std::string_view bytes);
inline constexpr std::string_view kLastChunk = "0\r\n\r\n";

}  // namespace waferline::http
