// What a request holds its answer to: response_format (OpenAI's), structured_outputs and guided_*
// (vLLM's), grammar and json_schema (llama.cpp's). Pure functions; any thread.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "server/openai/fields.h"
#include "server/text/served_model.h"
#include "wafer_backend/api/constraint.h"
#include "wafer_backend/compute/grammar/compiler.h"

namespace waferline::openai {

struct ConstraintField {
  std::string path;  // of the field that says it
  grammar::GrammarSpec spec;
};

// None if the text is free. Two that are given at once are an error that names both.
std::optional<ConstraintField> ReadConstraint(Fields& fields);

// InvalidArgument at the field: what cannot be honoured, and where.
absl::StatusOr<std::shared_ptr<const TokenConstraint>> Compile(const ConstraintField& field,
                                                               const text::ServedModel& model);

}  // namespace waferline::openai
