#include "server/text/jinja/text.h"

#include <algorithm>
#include <utility>

namespace waferline::jinja {

Text::Text(std::string bytes, Origin origin) : bytes_(std::move(bytes)) {
  Extend(bytes_.size(), origin);
}

void Text::Extend(size_t count, Origin origin) {
  if (count == 0) return;
  const size_t end = (runs_.empty() ? 0 : runs_.back().end) + count;
  if (!runs_.empty() && runs_.back().origin == origin) {
    runs_.back().end = end;
  } else {
    runs_.push_back({end, origin});
  }
}

void Text::Append(std::string_view bytes, Origin origin) {
  bytes_ += bytes;
  Extend(bytes.size(), origin);
}

void Text::AppendPart(const Text& other, size_t begin, size_t end) {
  bytes_.append(other.bytes_, begin, end - begin);
  auto run = std::upper_bound(other.runs_.begin(), other.runs_.end(), begin,
                              [](size_t at, const Run& r) { return at < r.end; });
  for (size_t at = begin; at < end; ++run) {
    const size_t stop = std::min(end, run->end);
    Extend(stop - at, run->origin);
    at = stop;
  }
}

Text Text::Slice(size_t begin, size_t end) const {
  end = std::min(end, size());
  Text part;
  if (begin < end) part.AppendPart(*this, begin, end);
  return part;
}

Text Text::WithBytes(std::string bytes) const {
  Text text = *this;
  text.bytes_ = std::move(bytes);
  return text;
}

std::vector<Text::Piece> Text::Pieces() const {
  std::vector<Piece> pieces;
  size_t begin = 0;
  for (const Run& run : runs_) {
    pieces.push_back({std::string_view(bytes_).substr(begin, run.end - begin), run.origin});
    begin = run.end;
  }
  return pieces;
}

}  // namespace waferline::jinja
