#include "server/rpc/malformed_requests.h"

#include <google/protobuf/descriptor.h>

#include <algorithm>
#include <string>

#include "server/rpc/rpc_status.h"

namespace waferline::rpc {
namespace {

using grpc::experimental::InterceptionHookPoints;
using grpc::experimental::InterceptorBatchMethods;

class Translator final : public grpc::experimental::Interceptor {
 public:
  void Intercept(InterceptorBatchMethods* methods) override {
    if (methods->QueryInterceptionHookPoint(InterceptionHookPoints::PRE_SEND_STATUS)) {
      const grpc::Status status = methods->GetSendStatus();
      const bool of_grpc = status.error_code() == grpc::StatusCode::UNIMPLEMENTED ||
                           status.error_code() == grpc::StatusCode::INTERNAL;
      if (of_grpc && status.error_message().empty()) {
        methods->ModifySendStatus(ToGrpcStatus(absl::InvalidArgumentError(
            "the request is not a valid message of this method (protobuf)")));
      }
    }
    methods->Proceed();
  }
};

}  // namespace

grpc::experimental::Interceptor* MalformedRequests::CreateServerInterceptor(
    grpc::experimental::ServerRpcInfo* info) {
  std::string name = info->method();  // "/package.Service/Method"
  std::replace(name.begin(), name.end(), '/', '.');
  const auto* known = google::protobuf::DescriptorPool::generated_pool();
  const auto* method = name.empty() ? nullptr : known->FindMethodByName(name.substr(1));
  if (method == nullptr || !services_.contains(method->service()->full_name())) return nullptr;
  return new Translator;  // gRPC's from here on
}

}  // namespace waferline::rpc
