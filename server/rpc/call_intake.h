// How a call that asks for tokens begins, in whatever protocol: who asks, what for, then to the
// engine or back with a refusal. On gRPC's threads, of which there are few: what takes long goes to
// the text worker. Owner: a service.
#pragma once

#include <grpcpp/support/server_callback.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "proto/waferline/v1/inference.pb.h"
#include "server/rpc/live_call.h"

namespace waferline::rpc {

class CallIntake {
 public:
  explicit CallIntake(const CallDeps& deps) : deps_(deps) {}

  // `wanted` if it is an id that may be used, else one from the metadata or a new one. Echoes it.
  std::string RequestId(grpc::CallbackServerContext* context, const std::string& wanted) const;

  // A message that can be read until the call's OnDone, or why it says nothing.
  using Message = absl::StatusOr<std::shared_ptr<const v1::GenerateRequest>>;
  // Authenticates the caller, reads its request, then or later, and submits or refuses it.
  void Begin(grpc::CallbackServerContext* context, const Message& message,
             const std::shared_ptr<LiveCall>& call) const;

 private:
  absl::StatusOr<DecodedRequest> Decode(grpc::CallbackServerContext* context,
                                        const v1::GenerateRequest& request,
                                        const tenancy::Caller& caller,
                                        const std::string& request_id) const;

  const CallDeps deps_;
};

}  // namespace waferline::rpc
