// A chat template as model files carry it (Jinja2 with Hugging Face's settings: trim_blocks,
// lstrip_blocks, loop controls, tojson without escapes), parsed once and rendered for each
// conversation. Immutable: any thread, any number of renderings at once.
//
// Left out, and refused by name: include, import, extends, block, recursive loops, argument
// unpacking. Not done: changing lists or mappings (as in the sandbox that templates are written
// for), case and white space beyond ASCII.
// Held against jinja2 itself by tests/integration/jinja_test.py.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "absl/status/statusor.h"
#include "server/text/jinja/ast.h"
#include "server/text/jinja/interpreter.h"
#include "server/text/jinja/text.h"
#include "server/text/jinja/value.h"

namespace waferline::jinja {

class Template {
 public:
  static constexpr size_t kMaxSourceBytes = 1 << 20;

  // InvalidArgument: the line, what was expected and what stands there.
  static absl::StatusOr<Template> Parse(std::string_view source);

  // `context` maps names to what the template may read; `unix_seconds` is what strftime_now sees.
  // FailedPrecondition: the template does not take this conversation (raise_exception, in its own
  // words); InvalidArgument: it uses what there is not; ResourceExhausted: one of `limits`.
  absl::StatusOr<Text> Render(const Dict& context, int64_t unix_seconds,
                              const Limits& limits = {}) const;

 private:
  explicit Template(Body body) : body_(std::make_shared<const Body>(std::move(body))) {}
  std::shared_ptr<const Body> body_;
};

}  // namespace waferline::jinja
