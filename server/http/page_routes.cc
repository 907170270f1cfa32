#include "server/http/page_routes.h"

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "server/http/page_files.h"
#include "server/openai/json_text.h"
#include "wafer_backend/base/strings.h"

namespace waferline::http {
namespace {

void SendFile(Generations& generations, const Call& call, std::string_view name) {
  for (const PageFile& file : PageFiles()) {
    if (file.name != name) continue;
    return call.exchange->Send({.content_type = std::string(ContentTypeOf(name)),
                                .body = std::string(file.text),
                                .headers = PageHeaders()});
  }
  generations.SendError(*call.exchange,
                        absl::NotFoundError(absl::StrCat("the page has no file ", Absl(name))),
                        Nanoseconds(0));
}

}  // namespace

Headers PageHeaders() {
  return {{"cache-control", "no-cache"},
          {"content-security-policy",
           "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src "
           "'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"},
          {"x-content-type-options", "nosniff"}};
}

void Page(Generations& generations, const Call& call) { SendFile(generations, call, "index.html"); }

void PageAsset(Generations& generations, const Call& call) {
  constexpr std::string_view kFolder = "/page/";
  const std::string_view path = call.exchange->request().path;
  SendFile(generations, call, path.substr(kFolder.size()));
}

void Version(Generations& generations, const Call& call) {
  std::string body = "{\"version\":";
  openai::AppendQuoted(body, generations.deps().admin_port->Facts().version);
  call.exchange->Send({.content_type = "application/json", .body = body + "}"});
}

}  // namespace waferline::http
