// gRPC 1.51 answers a request that is not a valid message without a text: UNIMPLEMENTED, as if the
// method did not exist, or INTERNAL where the service is synchronous. This interceptor says what is
// wrong instead. Any thread.
#pragma once

#include <grpcpp/support/server_interceptor.h>

#include <set>
#include <string>
#include <utility>

namespace waferline::rpc {

class MalformedRequests final : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  // `services`: those that the server has, by full name.
  explicit MalformedRequests(std::set<std::string> services) : services_(std::move(services)) {}

  grpc::experimental::Interceptor* CreateServerInterceptor(
      grpc::experimental::ServerRpcInfo* info) override;

 private:
  const std::set<std::string> services_;
};

}  // namespace waferline::rpc
