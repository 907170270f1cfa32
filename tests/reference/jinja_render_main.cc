// Renders chat templates for integration.jinja_test, which compares with jinja2: each line of stdin
// is {"template", "context", "unix_seconds"}, each line of stdout {"text", "content"} (content: the
// parts that came from the context) or {"error"}.
#include <boost/json.hpp>
#include <iostream>
#include <string>

#include "server/text/jinja/json_value.h"
#include "server/text/jinja/template.h"

namespace {

namespace json = boost::json;
using waferline::jinja::Dict;
using waferline::jinja::Template;
using waferline::jinja::Text;

json::object Render(const json::object& line) {
  const std::string_view source = line.at("template").as_string();
  const auto parsed = Template::Parse(source);
  if (!parsed.ok()) return {{"error", std::string(parsed.status().message())}};
  const auto context = waferline::jinja::FromJson(line.at("context"), Text::Origin::kContent);
  const auto text = parsed->Render(*context.As<Dict>(), line.at("unix_seconds").as_int64());
  if (!text.ok()) return {{"error", std::string(text.status().message())}};
  json::array content;
  for (const Text::Piece& piece : text->Pieces()) {
    if (piece.origin == Text::Origin::kContent) content.emplace_back(piece.bytes);
  }
  return {{"text", text->bytes()}, {"content", std::move(content)}};
}

}  // namespace

int main() {
  for (std::string line; std::getline(std::cin, line);) {
    std::cout << json::serialize(Render(json::parse(line).as_object())) << "\n" << std::flush;
  }
}
