// gRPC 1.51 answers a request that is no valid message with UNIMPLEMENTED and no text, as if the
// method did not exist. This interceptor says what is wrong instead. Any thread.
#pragma once

#include <grpcpp/support/server_interceptor.h>

namespace waferline::rpc {

class MalformedRequests final : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  grpc::experimental::Interceptor* CreateServerInterceptor(
      grpc::experimental::ServerRpcInfo* info) override;
};

}  // namespace waferline::rpc
