#include "wafer_backend/compute/model/normal_form.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <vector>

#include "wafer_backend/base/check.h"
#include "wafer_backend/compute/model/utf8.h"

namespace waferline::model {
namespace {

constexpr size_t kMaxDecomposed = 8;  // Unicode's longest is 4 (UAX 15, section 9)

using Points = std::vector<utf8proc_int32_t>;

int ClassOf(utf8proc_int32_t point) { return utf8proc_get_property(point)->combining_class; }

void Decompose(utf8proc_int32_t point, Points& points) {
  std::array<utf8proc_int32_t, kMaxDecomposed> parts;
  int boundary = 0;
  const auto count = utf8proc_decompose_char(
      point, parts.data(), parts.size(),
      static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_DECOMPOSE), &boundary);
  WL_CHECK(count >= 0 && static_cast<size_t>(count) <= parts.size());
  points.insert(points.end(), parts.begin(), parts.begin() + count);
}

void OrderMarks(Points& points) {
  const auto is_mark = [](utf8proc_int32_t point) { return ClassOf(point) != 0; };
  for (auto begin = points.begin(); begin != points.end();) {
    begin = std::find_if(begin, points.end(), is_mark);
    const auto end = std::find_if_not(begin, points.end(), is_mark);
    std::stable_sort(begin, end, [](auto a, auto b) { return ClassOf(a) < ClassOf(b); });
    begin = end;
  }
}

// Appends what `points` compose to, and empties them.
void Compose(Points& points, std::string& text) {
  if (points.empty()) return;
  OrderMarks(points);
  const auto count =
      utf8proc_normalize_utf32(points.data(), static_cast<utf8proc_ssize_t>(points.size()),
                               static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  WL_CHECK(count >= 0);
  for (utf8proc_ssize_t i = 0; i < count; ++i) AppendUtf8(points[i], text);
  points.clear();
}

}  // namespace

bool MayChangeInFormC(std::string_view text) {
  // The first character that form C may change is U+0300, in UTF-8 CC 80.
  return std::any_of(text.begin(), text.end(),
                     [](char byte) { return static_cast<unsigned char>(byte) >= 0xcc; });
}

std::string FormC(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  Points points;
  while (!text.empty()) {
    const Utf8Start start = StartOf(text);
    if (start.kind == Utf8Start::kCharacter) {
      utf8proc_int32_t point = 0;
      utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                       static_cast<utf8proc_ssize_t>(start.length), &point);
      Decompose(point, points);
    } else {
      Compose(points, out);
      out += text.substr(0, start.length);
    }
    text.remove_prefix(start.length);
  }
  Compose(points, out);
  return out;
}

}  // namespace waferline::model
