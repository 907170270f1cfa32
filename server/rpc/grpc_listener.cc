#include "server/rpc/grpc_listener.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

namespace waferline::rpc {
namespace {

constexpr int kRetryMs = 100;  // when there is no descriptor for a connection

absl::Status CannotListen(const std::string& host, uint16_t port, const char* why) {
  return absl::UnavailableError(absl::StrCat("cannot listen for gRPC on ", host, ":", port, ": ",
                                             why, ". Choose another with --grpc-port"));
}

}  // namespace

absl::StatusOr<std::unique_ptr<GrpcListener>> GrpcListener::Open(const std::string& host,
                                                                 uint16_t port,
                                                                 OpenConnections* connections) {
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICHOST | AI_PASSIVE;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found) != 0) {
    return absl::InvalidArgumentError(absl::StrCat("'", host, "' is not an IP address"));
  }
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owned(found, &freeaddrinfo);
  const int listening =
      socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
  if (listening < 0) return CannotListen(host, port, strerror(errno));
  const int on = 1;
  setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(listening, found->ai_addr, found->ai_addrlen) != 0 ||
      listen(listening, SOMAXCONN) != 0) {
    const int error = errno;
    close(listening);
    return CannotListen(host, port, strerror(error));
  }
  const int wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (wake < 0) {
    const int error = errno;
    close(listening);
    return CannotListen(host, port, strerror(error));
  }
  auto listener = std::unique_ptr<GrpcListener>(new GrpcListener(listening, wake, connections));
  sockaddr_storage bound{};
  socklen_t size = sizeof bound;
  getsockname(listening, reinterpret_cast<sockaddr*>(&bound), &size);
  listener->port_ =
      ntohs(bound.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6*>(&bound)->sin6_port
                                        : reinterpret_cast<sockaddr_in*>(&bound)->sin_port);
  return listener;
}

GrpcListener::GrpcListener(int listening, int wake, OpenConnections* connections)
    : listening_(listening), wake_(wake), connections_(connections) {}

GrpcListener::~GrpcListener() {
  Stop();
  close(wake_);
  close(listening_);
}

void GrpcListener::Start(Acceptor acceptor) {
  acceptor_ = std::move(acceptor);
  thread_ = std::thread([this] { Run(); });
}

void GrpcListener::Stop() {
  if (!thread_.joinable()) return;
  const uint64_t one = 1;
  (void)!write(wake_, &one, sizeof one);
  thread_.join();
  shutdown(listening_, SHUT_RDWR);  // from now on connections are refused
}

void GrpcListener::ExpectTls(std::function<Nanoseconds()> now,
                             std::function<void(const tls::Refused&)> on_refused) {
  gate_.emplace(std::move(now), std::move(on_refused));
}

void GrpcListener::Run() {
  std::vector<pollfd> events;
  bool accepts = true;
  while (true) {
    events.assign(1, {wake_, POLLIN, 0});
    const bool room = !gate_ || !gate_->full();
    if (accepts && room) events.push_back({listening_, POLLIN, 0});
    if (gate_) gate_->AppendTo(&events);
    const bool waits = accepts && room && (!gate_ || gate_->empty());
    const int ready = poll(events.data(), events.size(), waits ? -1 : kRetryMs);
    if (ready > 0 && (events[0].revents & POLLIN) != 0) return;
    // What cannot be accepted now stays readable, so it is looked at again after a while.
    const bool asked = events.size() > 1 && events[1].fd == listening_;
    accepts = !asked || (events[1].revents & POLLIN) == 0 || AcceptOne();
    if (!gate_) continue;
    for (const int descriptor : gate_->Take()) HandOver(descriptor);
  }
}

bool GrpcListener::AcceptOne() {
  const int descriptor = accept4(listening_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (descriptor < 0) return errno == ECONNABORTED || errno == EINTR || errno == EAGAIN;
  gate_ ? gate_->Add(descriptor) : HandOver(descriptor);
  return true;
}

void GrpcListener::HandOver(int descriptor) {
  if (!connections_->Admit(descriptor)) {
    close(descriptor);
    return;
  }
  const int on = 1;
  setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters connection;
  connection.listener_fd = listening_;
  connection.fd = descriptor;
  acceptor_->HandleNewConnection(&connection);
}

}  // namespace waferline::rpc
