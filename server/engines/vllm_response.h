// Events of waferline.v1 as vllm.GenerateResponse. Pure; any thread.
#pragma once

#include <vector>

#include "proto/vllm/inference.pb.h"
#include "proto/waferline/v1/inference.pb.h"
#include "wafer_backend/base/ids.h"

namespace waferline::engines {

// What one request wants to see.
struct VllmAnswerForm {
  bool text = true;
  bool token_ids = false;
  std::vector<TokenId> model_ends;  // stop reason eos, others are the request's own
};
VllmAnswerForm AnswerFormOf(const ::vllm::GenerateRequest& message,
                            std::vector<TokenId> model_ends);

// Adds an event to the message.
void AddEvent(const v1::GenerateResponse& event, const VllmAnswerForm& form,
              ::vllm::GenerateResponse* message);
void AddAnswer(const v1::GenerateOnceResponse& answer, const VllmAnswerForm& form,
               ::vllm::GenerateResponse* message);

// The protocol has a last message for this end: STOP, LENGTH, ABORTED. Others are a status.
bool HasFinishInfo(v1::FinishReason reason);

}  // namespace waferline::engines
