#include "server/http/gzip.h"

#include <zlib.h>

#include <algorithm>

#include "absl/cleanup/cleanup.h"
#include "wafer_backend/base/check.h"

namespace waferline::http {

absl::StatusOr<std::string> Gunzip(std::string_view packed, size_t max_bytes) {
  constexpr int kOnlyGzip = 16 + MAX_WBITS;
  z_stream stream{};
  WL_CHECK(inflateInit2(&stream, kOnlyGzip) == Z_OK);
  const absl::Cleanup end = [&stream] { inflateEnd(&stream); };
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  std::string out;
  char bytes[64 * 1024];
  for (int state = Z_OK; state != Z_STREAM_END || stream.avail_in > 0;) {
    if (state == Z_STREAM_END) inflateReset(&stream);  // another member follows
    stream.next_out = reinterpret_cast<Bytef*>(bytes);
    stream.avail_out = sizeof bytes;
    state = inflate(&stream, Z_NO_FLUSH);
    if (state != Z_OK && state != Z_STREAM_END) {
      return absl::InvalidArgumentError("the body is not a whole gzip file");
    }
    const size_t got = sizeof bytes - stream.avail_out;
    if (got > max_bytes - out.size()) {
      return absl::OutOfRangeError("the body unpacks to more than the limit");
    }
    out.append(bytes, got);
  }
  return out;
}

}  // namespace waferline::http
