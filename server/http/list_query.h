// The query of a list, as OpenAI's clients send it: which part of it they ask for. Pure.
#pragma once

#include <cstdint>
#include <string_view>

#include "absl/status/statusor.h"
#include "server/batches/batch_tables.h"

namespace waferline::http {

struct ListRules {
  int64_t limit = 20;  // if the query says nothing
  int64_t max_limit = 100;
  bool ordered = false;   // has `order`, asc or desc (newest first, if it says nothing)
  bool of_files = false;  // has `purpose`
};

// InvalidArgument at the parameter.
absl::StatusOr<batches::Page> ReadListQuery(std::string_view query, const ListRules& rules);

}  // namespace waferline::http
