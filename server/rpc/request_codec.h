// waferline.v1 requests read into requests that the engine can take. Pure: no I/O, no clock; any
// thread. Errors: NotFound for a model that is not served, else a FieldError that names the field.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "proto/waferline/v1/inference.pb.h"
#include "scheduler/request/valid_request.h"
#include "server/serving/kv_handoffs.h"
#include "server/tenancy/api_keys.h"
#include "server/text/answer_form.h"
#include "server/text/served_model.h"
#include "server/text/thinking_budget.h"
#include "wafer_backend/compute/grammar/compiler.h"

namespace waferline::rpc {

struct DecodedRequest {
  ValidRequest request;  // without sink
  std::shared_ptr<const text::ServedModel> model;
  text::AnswerForm form;
  bool include_reasoning = true;                   // false: its text is left out
  tenancy::Caller caller;                          // not the codec's: set by who authenticated it
  std::optional<grammar::GrammarSpec> constraint;  // not yet in the request
  serving::KvParams handed_over;                   // with the answer, if it ends for its length
  std::optional<text::ThinkingBudget> thinking;    // neither
};

// What the message does not hold.
struct CallFacts {
  std::string request_id;  // used if the message has none; must pass serving::IsRequestId
  std::string tenant;
  uint64_t fallback_seed = 0;
  int64_t unix_seconds = 0;  // now: the date that a chat template may write
  const serving::KvHandoffs* handoffs = serving::KvHandoffs::None();
};

absl::StatusOr<DecodedRequest> DecodeGenerate(const v1::GenerateRequest& message,
                                              const CallFacts& facts,
                                              const text::ModelCatalog& catalog);

// Puts the constraint, if there is one, into the request. The first is quick, and false if the
// constraint has to be compiled; the second may take long. InvalidArgument at `constraint`, or
// `chat.tools`: it cannot be honoured (says why).
bool FindConstraint(DecodedRequest* decoded);
absl::Status CompileConstraint(DecodedRequest* decoded);

// The own arrival that a message names, whatever else is wrong with it.
std::optional<OwnArrival> OwnArrivalOf(const v1::SchedulingOptions& options);

// An empty name means the only model there is.
absl::StatusOr<std::shared_ptr<const text::ServedModel>> FindModel(
    const std::string& name, const text::ModelCatalog& catalog);

absl::StatusOr<std::vector<TokenId>> DecodeText(const std::string& text,
                                                model::EncodeOptions options,
                                                const text::ServedModel& model);

// UTF-8, whatever the tokens.
absl::StatusOr<std::string> DecodeIdsToText(const google::protobuf::RepeatedField<int32_t>& ids,
                                            const text::ServedModel& model);

}  // namespace waferline::rpc
