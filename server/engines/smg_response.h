// Events of waferline.v1 as vllm.grpc.engine's, of one request. Owner: a call; one thread at a
// time.
#pragma once

#include "proto/smg/vllm_engine.pb.h"
#include "proto/waferline/v1/inference.pb.h"

namespace waferline::engines {

// True: the protocol has a last message for this end. Others are a status.
bool HasSmgEnd(v1::FinishReason reason);

class SmgAnswer {
 public:
  // Of tokens a chunk with them and their number so far, of the end what is complete.
  void Add(const v1::GenerateResponse& event, uint32_t prompt_tokens,
           ::vllm::grpc::engine::GenerateResponse* message);
  // The same for all events at once: what is complete.
  void AddAll(const v1::GenerateOnceResponse& answer,
              ::vllm::grpc::engine::GenerateResponse* message);

 private:
  void Keep(const v1::Token& token);
  void Complete(const v1::Finished& finished, ::vllm::grpc::engine::GenerateResponse* message);

  ::vllm::grpc::engine::GenerateComplete all_;  // ids and log-probabilities so far
};

}  // namespace waferline::engines
