#include "client/sdk/web_page.h"

#include "absl/strings/str_cat.h"

namespace waferline::sdk {

bool IsWebPage(std::string_view body) {
  const size_t first = body.find_first_not_of(" \t\r\n");
  return first != std::string_view::npos && body[first] == '<';
}

std::string WebPageText(int http_code) {
  return absl::StrCat("HTTP ", http_code,
                      " and a web page came: that is not a waferd, or a proxy answers in its "
                      "place; name another with --server URL");
}

}  // namespace waferline::sdk
