// Which of gRPC's connections gives way when there are too many.
#include "server/rpc/open_connections.h"

#include <arpa/inet.h>
#include <grpcpp/generic/generic_stub.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <string>
#include <utility>

#include "tests/unit/server/rpc/rpc_cloud.h"

namespace waferline::rpc {
namespace {

// A connection over loopback: what a server accepted, and its client.
struct Pair {
  explicit Pair(bool v6 = false) {
    sockaddr_storage at{};
    socklen_t size = v6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
    at.ss_family = v6 ? AF_INET6 : AF_INET;
    if (v6) {
      reinterpret_cast<sockaddr_in6*>(&at)->sin6_addr = in6addr_loopback;
    } else {
      reinterpret_cast<sockaddr_in*>(&at)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    }
    auto* address = reinterpret_cast<sockaddr*>(&at);
    const int listening = socket(at.ss_family, SOCK_STREAM, 0);
    REQUIRE(bind(listening, address, size) == 0);
    REQUIRE(listen(listening, 1) == 0);
    REQUIRE(getsockname(listening, address, &size) == 0);
    client = socket(at.ss_family, SOCK_STREAM, 0);
    REQUIRE(connect(client, address, size) == 0);
    server = accept(listening, nullptr, nullptr);
    REQUIRE(server >= 0);
    REQUIRE(getsockname(client, address, &size) == 0);
    const uint16_t port = ntohs(v6 ? reinterpret_cast<sockaddr_in6*>(&at)->sin6_port
                                   : reinterpret_cast<sockaddr_in*>(&at)->sin_port);
    peer = (v6 ? "ipv6:%5B::1%5D:" : "ipv4:127.0.0.1:") + std::to_string(port);
    close(listening);
  }
  ~Pair() {
    close(client);
    close(server);
  }
  bool closed() const {  // as its client sees it
    char byte = 0;
    return recv(client, &byte, 1, MSG_DONTWAIT) == 0;
  }

  int client = -1, server = -1;
  std::string peer;
};

struct Clock {
  Nanoseconds now;
};

TEST_CASE("the one without a call for longest gives way, after a second") {
  Clock clock;
  OpenConnections open(3, [&clock] { return clock.now; });
  Pair first, second(/*v6=*/true), third, fourth, fifth;
  for (Pair* one : {&first, &second, &third}) {
    REQUIRE(open.Admit(one->server));
    clock.now += Milliseconds(100);
  }
  CHECK_FALSE(open.Admit(fourth.server));
  clock.now = OpenConnections::kMinIdle - Nanoseconds(1);
  CHECK_FALSE(open.Admit(fourth.server));
  clock.now += Nanoseconds(1);
  CHECK(open.OnCall(first.peer));  // so the next one is idle for longest
  CHECK(open.OnCall(second.peer));
  open.OnCallEnd(second.peer, true);
  clock.now += Milliseconds(500);
  CHECK(open.Admit(fourth.server));
  CHECK(third.closed());
  CHECK_FALSE((first.closed() || second.closed() || fourth.closed()));
  CHECK(open.size() == 3);

  // One that streams does not, however long it takes.
  CHECK(open.OnCall(fourth.peer));
  CHECK(open.OnCall(second.peer));
  clock.now += Seconds(3600);
  CHECK_FALSE(open.Admit(fifth.server));
  open.OnCallEnd(first.peer, true);
  CHECK_FALSE(open.Admit(fifth.server));
  clock.now += OpenConnections::kMinIdle;
  CHECK(open.Admit(fifth.server));
  CHECK(first.closed());
  open.OnCallEnd(second.peer, true);
}

TEST_CASE("one that has just sent something does not give way") {
  Clock clock;
  OpenConnections open(1, [&clock] { return clock.now; });
  Pair first, second;
  REQUIRE(open.Admit(first.server));
  clock.now = Seconds(9);
  REQUIRE(send(first.client, "x", 1, 0) == 1);
  CHECK_FALSE(open.Admit(second.server));
  char byte = 0;
  REQUIRE(recv(first.server, &byte, 1, 0) == 1);
  CHECK(open.Admit(second.server));
}

TEST_CASE("while a call is none of theirs no connection gives way") {
  Clock clock;
  OpenConnections open(1, [&clock] { return clock.now; });
  Pair first, second;
  REQUIRE(open.Admit(first.server));
  clock.now = Seconds(9);
  CHECK_FALSE(open.OnCall("unix:elsewhere"));
  CHECK_FALSE(open.Admit(second.server));
  open.OnCallEnd("unix:elsewhere", false);
  CHECK(open.Admit(second.server));
}

TEST_CASE("those that are closed make room at once") {
  Clock clock;
  OpenConnections open(1, [&clock] { return clock.now; });
  Pair second;
  {
    const Pair first;
    REQUIRE(open.Admit(first.server));
    CHECK_FALSE(open.Admit(second.server));
  }
  CHECK(open.size() == 0);
  CHECK(open.Admit(second.server));
}

std::shared_ptr<grpc::Channel> OwnChannel(const Cloud& cloud) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel("127.0.0.1:" + std::to_string(cloud.server->port()),
                                   grpc::InsecureChannelCredentials(), arguments);
}

bool Answers(const std::shared_ptr<grpc::Channel>& channel) {
  grpc::ClientContext context;
  v1::ListModelsResponse models;
  return v1::InferenceService::NewStub(channel)->ListModels(&context, {}, &models).ok();
}

// A stream that is open, whose service has seen it: it answered once.
struct OpenReflection {
  explicit OpenReflection(std::shared_ptr<grpc::Channel> channel) : stub(std::move(channel)) {
    call = stub.PrepareCall(
        &context, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", &queue);
    call->StartCall(this);
    Await();
    const std::string list_services("\x3a\x00", 2);
    const grpc::Slice slice(list_services);
    call->Write(grpc::ByteBuffer(&slice, 1), this);
    Await();
    grpc::ByteBuffer answer;
    call->Read(&answer, this);
    Await();
    REQUIRE(answer.Length() > 0);
  }
  ~OpenReflection() {
    context.TryCancel();
    grpc::Status status;
    call->Finish(&status, this);
    Await();
  }
  void Await() {
    void* tag = nullptr;
    bool ok = false;
    REQUIRE(queue.Next(&tag, &ok));
  }

  grpc::ClientContext context;
  grpc::CompletionQueue queue;
  grpc::GenericStub stub;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> call;
};

TEST_CASE("an open stream of a synchronous service keeps its own connection, and no other") {
  Cloud cloud({.max_connections = 2});
  const auto idle = OwnChannel(cloud);
  REQUIRE(Answers(idle));
  OpenReflection stream(OwnChannel(cloud));
  bool took_its_place = false;
  for (int i = 0; i < 100 && !took_its_place; ++i) {
    cloud.now_ns += OpenConnections::kMinIdle.count();
    took_its_place = Answers(OwnChannel(cloud));
  }
  CHECK(took_its_place);
}

}  // namespace
}  // namespace waferline::rpc
