// TLS for a gRPC server, from the same files as HTTP's. gRPC 1.51 keeps this in its experimental
// namespace, so this folder is the only one that knows it: gRPC reads the own key and certificate
// (each `reload`, whole seconds), and the certificate of a client is checked as HTTP's are.
//
// gRPC 1.51 lets no server choose the oldest TLS: it takes 1.3 with all that speak it, and 1.2.
//
// Thread: `on_refused` is called on gRPC's threads. `credentials` must outlive the server.
#pragma once

#include <grpcpp/security/server_credentials.h>

#include <functional>
#include <memory>
#include <string>

#include "wafer_backend/base/tls/credentials.h"

namespace waferline::tls {

std::shared_ptr<grpc::ServerCredentials> GrpcServerCredentials(
    const Credentials* credentials, std::function<void(const Refused&)> on_refused);

}  // namespace waferline::tls
