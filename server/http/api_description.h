// The routes as people and programs read them: /docs and /openapi.json, both made from the table
// that requests are matched with. Pure; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace waferline::http {

struct RouteDescription {
  enum class Needs : unsigned char { kNothing, kKey, kOperator };
  std::string_view path;  // "{id}" stands for any name
  std::string_view method;
  std::string_view about;
  Needs needs = Needs::kNothing;
};

// One HTML document without script.
std::string DocsPage(const std::vector<RouteDescription>& routes);
// An OpenAPI 3.1 document.
std::string OpenApiText(const std::vector<RouteDescription>& routes, std::string_view version);

}  // namespace waferline::http
