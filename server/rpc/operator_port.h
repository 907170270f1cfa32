// What OperatorService asks of the cloud. Implemented by server/app. Thread: gRPC's synchronous
// pool, so an answer may wait for the engine's thread.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "proto/waferline/v1/operator.pb.h"

namespace waferline::rpc {

class OperatorPort {
 public:
  virtual ~OperatorPort() = default;
  virtual absl::StatusOr<v1::GetServerInfoResponse> ServerInfo() = 0;
  virtual absl::StatusOr<v1::GetLoadResponse> Load() = 0;
  // Ends requests with this id that came in by other doors than this server; gives how many.
  virtual uint32_t AbortElsewhere(const std::string& request_id) = 0;
  // Gives how many requests are in flight.
  virtual absl::StatusOr<uint32_t> Drain() = 0;
  virtual absl::Status ResetPrefixCache() = 0;
  // Unimplemented where there is nothing that can fail; InvalidArgument says what is wrong.
  virtual absl::Status ApplyFault(const v1::Fault& fault) = 0;
};

}  // namespace waferline::rpc
