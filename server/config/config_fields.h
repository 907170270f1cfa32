// The fields of a server's file in words: a reference, one field explained, a file as it was
// understood. All of it comes from the readers (FieldFacts): there is no other list of fields.
// Pure; any thread.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "wafer_backend/base/yaml_form.h"
#include "wafer_backend/base/yaml_overrides.h"

namespace waferline::config {

// Every field that a file may hold, whatever it is set to: "models[].prefill.workers".
std::vector<FieldFacts> AllFields();

// Paths of those that must be given whatever the rest of their mapping says.
std::vector<std::string> AlwaysRequired();

// docs/configuration.md.
std::string ReferenceText();

// What one field is, by its path or the end of it ("prefill.workers"; indexes may be left out);
// NotFound: did you mean ...?
absl::StatusOr<std::string> Explain(std::string_view field);

// "path: value  # where from" for each field that was read. `where` maps paths of overrides
// ("models.0.context") to who made them.
std::string PrintedFields(const std::string& file, const std::vector<FieldFacts>& fields,
                          const std::vector<std::pair<std::string, std::string>>& where);

// WAFERLINE_SET_LISTEN__HTTP_PORT=8081 as {"listen.http_port", "8081"}, of an environment as
// main() has it: "__" between the steps of a path, letters in any case.
std::vector<Override> OverridesOf(const char* const* environment);

}  // namespace waferline::config
