// fuzzes: server/text/jinja
// The input is a template: it parses and renders within its limits, or says why not.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "server/text/jinja/template.h"
#include "wafer_backend/base/check.h"

using waferline::jinja::Dict;
using waferline::jinja::List;
using waferline::jinja::Template;
using waferline::jinja::Text;
using waferline::jinja::Value;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto parsed = Template::Parse({reinterpret_cast<const char*>(data), size});
  if (!parsed.ok()) return 0;
  Dict message;
  message.Set(Value::Of("role"), Value::Of("user"));
  message.Set(Value::Of("content"), Value(Text("a <b> c", Text::Origin::kContent)));
  List messages;
  messages.items = {Value(message), Value(message)};
  Dict context;
  context.Set(Value::Of("messages"), Value(messages));
  const auto text = parsed->Render(context, 0, {.max_steps = 20'000, .max_bytes = 1 << 20});
  if (!text.ok()) return 0;
  size_t bytes = 0;
  for (const Text::Piece& piece : text->Pieces()) bytes += piece.bytes.size();
  WL_CHECK(bytes == text->size());
  return 0;
}
