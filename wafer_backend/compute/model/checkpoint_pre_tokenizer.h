// How a tokenizer.json of byte-level BPE cuts texts, as the name that GGUF files have for it.
// Plain functions, any thread.
#pragma once

#include <boost/json/object.hpp>
#include <functional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "wafer_backend/base/json_fields.h"

namespace waferline::model {

// Calls `each` with the type and the fields of a tokenizer's part, or of each that its "Sequence"
// has in `list`. `path` names the part in errors ("normalizer.").
using EachStep = std::function<absl::Status(const std::string& type, JsonFields& fields)>;
absl::Status ForEachStep(const boost::json::object& object, const char* list,
                         const std::string& path, const EachStep& each);

// The row of the table of pre-tokenizers whose steps are those of "normalizer" and "pre_tokenizer";
// if there are several, one that treats whole words alike. Unimplemented with the expressions for
// any other.
absl::StatusOr<std::string_view> PreTokenizerOf(JsonFields& tokenizer, bool whole_words);

}  // namespace waferline::model
