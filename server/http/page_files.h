// The files of the page at /, compiled in from server/http/page. Constants; any thread.
#pragma once

#include <span>
#include <string_view>

namespace waferline::http {

struct PageFile {
  std::string_view name;  // "style.css"
  std::string_view text;
};
std::span<const PageFile> PageFiles();

// By the name's end: "text/css; charset=utf-8".
std::string_view ContentTypeOf(std::string_view name);

}  // namespace waferline::http
