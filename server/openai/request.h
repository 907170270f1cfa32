// Bodies of /v1/completions and /v1/chat/completions, read into requests that the engine can take.
// Pure: no I/O, no clock; any thread.
//
// Fields that are not known are named in a warning or refused, as the dialect says. Fields that are
// known and not supported are errors that name the field. Errors: NotFound (model_not_found), and
// InvalidArgument with `param` for everything else; context_length_exceeded has that code.
#pragma once

#include <boost/json/object.hpp>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "scheduler/request/valid_request.h"
#include "server/openai/answer_format.h"
#include "server/openai/constraint_fields.h"
#include "server/openai/dialect.h"
#include "server/openai/field_names.h"
#include "server/openai/response_shape.h"
#include "server/serving/kv_handoffs.h"
#include "server/text/served_model.h"
#include "server/text/thinking_budget.h"

namespace waferline::openai {

// What the codec cannot find in the body.
struct Envelope {
  std::string request_id;
  std::string tenant;
  uint64_t fallback_seed = 0;  // for requests that bring none
  int64_t unix_seconds = 0;    // now, for `created`

  const serving::KvHandoffs* handoffs = serving::KvHandoffs::None();

  Dialect dialect;
  bool batch = false;  // a line of a batch

  // Values of request headers, "" for absent.
  std::string_view queue_threshold;  // milliseconds
  std::string_view deadline_ms;      // x-waferline-deadline-ms
  std::string_view instants;         // x-waferline-instants: true
};

struct ParsedRequest {
  std::vector<ValidRequest> requests;  // one a choice; sinks are still empty
  ResponseShape shape;
  std::shared_ptr<const text::ServedModel> model;
  std::string warning;  // fields without effect; "" if there are none
  AnswerFormatFactory format;
  // What the answers are held to; not yet in the requests.
  std::optional<ConstraintField> constraint;
  FieldNames names;  // for errors of the constraint; empty if they are a chat's
  // Like the constraint, in the requests together with it.
  std::optional<text::ThinkingBudget> thinking;
};

absl::StatusOr<ParsedRequest> ParseCompletion(std::string_view body, const Envelope& envelope,
                                              const text::ModelCatalog& catalog);
absl::StatusOr<ParsedRequest> ParseChat(std::string_view body, const Envelope& envelope,
                                        const text::ModelCatalog& catalog);
// The own arrival that a body names, whatever else is wrong with it.
std::optional<OwnArrival> OwnArrivalOf(std::string_view body);
// For protocols whose requests are read into a chat's fields. `own_fields`: the names by which
// clients of that protocol know its fields.
absl::StatusOr<ParsedRequest> ParseChatFields(const boost::json::object& body,
                                              const Envelope& envelope,
                                              const text::ModelCatalog& catalog,
                                              std::span<const std::string_view> own_fields = {});

// Puts the constraint, if there is one, into the requests. The first is quick, and false if the
// constraint has to be compiled; the second may take long. InvalidArgument at the field: what
// cannot be honoured, and where.
bool FindConstraint(ParsedRequest* parsed);
absl::Status CompileConstraint(ParsedRequest* parsed);

}  // namespace waferline::openai
