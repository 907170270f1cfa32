#include "server/rpc/open_connections.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <grpcpp/server_context.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"

namespace waferline::rpc {
namespace {

// 0 if the descriptor is not a socket (any more).
ino_t SocketOf(int descriptor) {
  struct stat info;
  if (fstat(descriptor, &info) != 0 || !S_ISSOCK(info.st_mode)) return 0;
  return info.st_ino;
}

// As gRPC names it; of a connection that is closed already, a name that no call has.
std::string PeerOf(int descriptor) {
  sockaddr_storage peer{};
  socklen_t size = sizeof peer;
  char text[INET6_ADDRSTRLEN] = "";
  if (getpeername(descriptor, reinterpret_cast<sockaddr*>(&peer), &size) != 0) {
    return absl::StrCat("socket ", SocketOf(descriptor));
  }
  if (peer.ss_family == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(&peer);
    inet_ntop(AF_INET, &v4->sin_addr, text, sizeof text);
    return absl::StrCat("ipv4:", text, ":", ntohs(v4->sin_port));
  }
  const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&peer);
  if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
    inet_ntop(AF_INET, v6->sin6_addr.s6_addr + 12, text, sizeof text);
    return absl::StrCat("ipv4:", text, ":", ntohs(v6->sin6_port));
  }
  inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof text);
  return absl::StrCat("ipv6:%5B", text, "%5D:", ntohs(v6->sin6_port));
}

// Through a descriptor of its own, for gRPC may close the other one, and its number be used for
// something else, at any time. False: something came just now, or it is closed by itself.
bool Close(int descriptor, ino_t socket) {
  const int own = fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
  if (own < 0) return false;
  int unread = 0;
  const bool quiet = SocketOf(own) == socket && ioctl(own, FIONREAD, &unread) == 0 && unread == 0;
  if (quiet) shutdown(own, SHUT_RDWR);  // gRPC sees the end and closes its own
  close(own);
  return quiet;
}

// Lives as long as its call.
class Report final : public grpc::experimental::Interceptor {
 public:
  Report(OpenConnections* connections, grpc::experimental::ServerRpcInfo* info)
      : connections_(connections), info_(info) {}
  ~Report() override {
    if (peer_) connections_->OnCallEnd(*peer_, known_);
  }
  // The call's metadata comes first, and alone. A call of a synchronous service, as reflection is,
  // has no peer before.
  void Intercept(grpc::experimental::InterceptorBatchMethods* methods) override {
    if (!peer_) {
      peer_ = info_->server_context()->peer();
      known_ = connections_->OnCall(*peer_);
    }
    methods->Proceed();
  }

 private:
  OpenConnections* const connections_;
  grpc::experimental::ServerRpcInfo* const info_;  // gRPC's, as long as this lives
  std::optional<std::string> peer_;
  bool known_ = false;
};

}  // namespace

bool OpenConnections::Admit(int descriptor) {
  const MutexLock lock(&mutex_);
  if (open_.size() >= max_) ForgetClosed();
  if (open_.size() >= max_ && !CloseLongestIdle()) return false;
  open_[PeerOf(descriptor)] = {
      .descriptor = descriptor, .socket = SocketOf(descriptor), .idle_since = now_()};
  return true;
}

size_t OpenConnections::size() {
  const MutexLock lock(&mutex_);
  ForgetClosed();
  return open_.size();
}

bool OpenConnections::OnCall(const std::string& peer) {
  const MutexLock lock(&mutex_);
  const auto found = open_.find(peer);
  const bool known = found != open_.end();
  ++(known ? found->second.calls : strange_calls_);
  return known;
}

void OpenConnections::OnCallEnd(const std::string& peer, bool known) {
  const MutexLock lock(&mutex_);
  if (!known) {
    --strange_calls_;
    return;
  }
  const auto found = open_.find(peer);
  if (found == open_.end() || found->second.calls == 0) return;  // closed before its call's end
  if (--found->second.calls == 0) found->second.idle_since = now_();
}

void OpenConnections::ForgetClosed() {
  std::erase_if(
      open_, [](const auto& one) { return SocketOf(one.second.descriptor) != one.second.socket; });
}

bool OpenConnections::CloseLongestIdle() {
  if (strange_calls_ > 0) return false;
  auto longest = open_.end();
  for (auto one = open_.begin(); one != open_.end(); ++one) {
    if (one->second.calls > 0) continue;
    if (longest == open_.end() || one->second.idle_since < longest->second.idle_since) {
      longest = one;
    }
  }
  if (longest == open_.end() || now_() - longest->second.idle_since < kMinIdle) return false;
  if (!Close(longest->second.descriptor, longest->second.socket)) return false;
  open_.erase(longest);
  return true;
}

grpc::experimental::Interceptor* CallReports::CreateServerInterceptor(
    grpc::experimental::ServerRpcInfo* info) {
  return new Report(connections_, info);  // gRPC's from here on
}

}  // namespace waferline::rpc
