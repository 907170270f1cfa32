// A request of fields, parsed for the byte model.
#pragma once

#include <string>

#include "server/openai/api_error.h"
#include "server/openai/request.h"
#include "tests/unit/server/openai/byte_model.h"

namespace waferline::openai {

inline const Envelope kEnvelope = {
    .request_id = "r1", .fallback_seed = 77, .unix_seconds = 1700000000};

inline absl::StatusOr<ParsedRequest> Completion(const std::string& fields) {
  static const text::ModelCatalog catalog = ByteCatalog();
  return ParseCompletion("{\"model\":\"bytes\"," + fields + "}", kEnvelope, catalog);
}

inline absl::StatusOr<ParsedRequest> Chat(const std::string& fields,
                                          const std::string& model = "bytes") {
  static const text::ModelCatalog catalog = ByteCatalog();
  return ParseChat("{\"model\":\"" + model + "\"," + fields + "}", kEnvelope, catalog);
}

inline const std::string kHi = R"("messages":[{"role":"user","content":"hi"}])";

inline std::string Body(const absl::Status& status) { return ErrorBody(status); }

}  // namespace waferline::openai
