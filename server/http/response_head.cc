#include "server/http/response_head.h"

#include <boost/beast/core/buffers_range.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/serializer.hpp>
#include <charconv>
#include <utility>

#include "absl/time/time.h"

namespace waferline::http {
namespace {

namespace beast = boost::beast;
using Head = beast::http::response<beast::http::empty_body>;

beast::string_view View(std::string_view text) { return {text.data(), text.size()}; }

std::string Serialised(Head head) {
  std::string out;
  beast::http::response_serializer<beast::http::empty_body> serializer(head);
  serializer.split(true);  // the header alone
  beast::error_code error;
  while (!error && !serializer.is_header_done()) {
    serializer.next(error, [&](beast::error_code&, const auto& buffers) {
      const size_t before = out.size();
      for (const auto buffer : beast::buffers_range_ref(buffers)) {
        out.append(static_cast<const char*>(buffer.data()), buffer.size());
      }
      serializer.consume(out.size() - before);
    });
  }
  return out;
}

// The replies of a second share its text.
const std::string& DateOf(int64_t unix_seconds) {
  thread_local int64_t second = -1;
  thread_local std::string text;
  if (std::exchange(second, unix_seconds) != unix_seconds) text = HttpDate(unix_seconds);
  return text;
}

}  // namespace

std::string HttpDate(int64_t unix_seconds) {
  return absl::FormatTime("%a, %d %b %Y %H:%M:%S GMT", absl::FromUnixSeconds(unix_seconds),
                          absl::UTCTimeZone());
}

std::string ResponseHead(const HeadSpec& spec) {
  Head head;
  head.version(11);
  head.result(static_cast<unsigned>(spec.code));
  const auto add = [&](std::string_view name, std::string_view value) {
    head.insert(View(name), View(value));
  };
  add("server", "waferline");
  add("date", DateOf(spec.unix_seconds));
  if (!spec.content_type.empty()) add("content-type", spec.content_type);
  if (spec.content_length && spec.code != 204) {
    add("content-length", std::to_string(*spec.content_length));
  }
  if (spec.chunked) add("transfer-encoding", "chunked");
  add("connection", spec.keep_alive ? "keep-alive" : "close");
  for (const Headers* headers : spec.headers) {
    if (headers == nullptr) continue;
    for (const auto& [name, value] : *headers) add(name, value);
  }
  return Serialised(std::move(head));
}

void AppendChunk(std::string& out, std::string_view bytes) {
  char size[16];
  out.append(size, std::to_chars(size, size + sizeof size, bytes.size(), 16).ptr);
  out += "\r\n";
  out += bytes;
  out += "\r\n";
}

}  // namespace waferline::http
