// Handshakes between two ends in memory, with certificates of a laboratory's authority.
#include "wafer_backend/base/tls/session.h"

#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/tls_lab.h"
#include "wafer_backend/base/files.h"

namespace waferline::tls {
namespace {

using testing::CredentialsOf;
using testing::Lab;

struct Ends {
  Ends(Credentials& server_side, Credentials& client_side)
      : server(server_side.Current(Nanoseconds(0)).get(), false),
        client(client_side.Current(Nanoseconds(0)).get(), true) {}

  // Passes bytes to and fro until neither has more, a few at a time.
  std::optional<Refused> Shake(size_t piece = 1000) {
    std::vector<uint8_t> to_server, to_client;
    std::optional<Refused> why = client.Proceed(&to_server);
    while (!to_server.empty() || !to_client.empty()) {
      if (auto failed = Pass(&to_server, piece, &server, &server_got, &to_client); !why)
        why = failed;
      if (auto failed = Pass(&to_client, piece, &client, &client_got, &to_server); !why)
        why = failed;
    }
    return why;
  }
  static std::optional<Refused> Pass(std::vector<uint8_t>* from, size_t piece, Session* to,
                                     std::vector<uint8_t>* got, std::vector<uint8_t>* answer) {
    const size_t size = std::min(piece, from->size());
    const std::vector<uint8_t> bytes(from->begin(), from->begin() + static_cast<ptrdiff_t>(size));
    from->erase(from->begin(), from->begin() + static_cast<ptrdiff_t>(size));
    return size == 0 ? std::nullopt : to->Receive(bytes, got, answer);
  }

  Session server, client;
  std::vector<uint8_t> server_got, client_got;
};

TEST_CASE("bytes pass both ways, in whatever pieces they come") {
  const Lab lab;
  const auto worker = CredentialsOf(lab.Issue(Role::kWorker, "w")),
             front = CredentialsOf(lab.Issue(Role::kFrontend));
  for (const size_t piece : {1, 7, 1000, 100'000}) {
    Ends ends(*worker, *front);
    REQUIRE_FALSE(ends.Shake(piece));
    REQUIRE(ends.server.complete());
    REQUIRE(ends.client.complete());
    CHECK(worker->CheckCaller(ends.server.ssl(), Door::kShard).identity->role == Role::kFrontend);
    CHECK(front->CheckAnswering(ends.client.ssl(), Door::kShard).identity->name == "w");
    std::vector<uint8_t> text(300'000), cipher;
    for (size_t i = 0; i < text.size(); ++i) text[i] = static_cast<uint8_t>(i * 31);
    ends.client.Send(text, &cipher);
    CHECK(cipher.size() > text.size());
    std::vector<uint8_t> answer;
    while (!cipher.empty()) {
      REQUIRE_FALSE(Ends::Pass(&cipher, 40'000, &ends.server, &ends.server_got, &answer));
    }
    CHECK(ends.server_got == text);
  }
}

TEST_CASE("a caller's domain, cloud and role are checked after the handshake") {
  const Lab lab;
  const auto worker = CredentialsOf(lab.Issue(Role::kWorker, "w"));
  const auto why = [&](Credentials& caller, Door door) {
    Ends ends(*worker, caller);
    REQUIRE_FALSE(ends.Shake());
    return worker->CheckCaller(ends.server.ssl(), door).refused->why;
  };
  const auto other_domain = CredentialsOf(lab.Issue(Role::kFrontend, "", "other"));
  CHECK(why(*other_domain, Door::kShard) == Refusal::kWrongDomain);
  const auto other_cloud = CredentialsOf(lab.Issue(Role::kFrontend, "", "d", "other"));
  CHECK(why(*other_cloud, Door::kShard) == Refusal::kWrongCloud);
  const auto client = CredentialsOf(lab.Issue(Role::kClient, "x"));
  CHECK(why(*client, Door::kShard) == Refusal::kWrongRole);
}

TEST_CASE("what is not a handshake of ours is refused by name") {
  const Lab lab;
  const auto worker = CredentialsOf(lab.Issue(Role::kWorker, "w"));
  std::vector<uint8_t> got, answer;
  const auto first_bytes = [&](const std::string& bytes) {
    Session server(worker->Current(Nanoseconds(0)).get(), false);
    return server.Receive({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}, &got,
                          &answer);
  };
  CHECK(first_bytes("GET / HTTP/1.1\r\n\r\n")->why == Refusal::kPlainClient);
  CHECK(first_bytes(std::string(64, '\0'))->why == Refusal::kPlainClient);
  CHECK_FALSE(first_bytes("\x16\x03"));  // the rest is still to come
}

TEST_CASE("new files are used by new connections, those that do not fit are not") {
  const Lab lab;
  const std::string folder = lab.Issue(Role::kWorker, "w");
  std::vector<std::string> remarks;
  const auto worker = CredentialsOf(folder, &remarks);
  const auto first = worker->Current(Seconds(10));
  CHECK(worker->Current(Milliseconds(10500)) == first);
  lab.Issue(Role::kWorker, "w");
  CHECK(worker->Current(Milliseconds(10900)) == first);  // not looked at yet
  const auto second = worker->Current(Seconds(11));
  CHECK(second != first);
  CHECK(worker->Current(Seconds(12)) == second);
  REQUIRE(WriteFile(folder + "/tls.key", "no key").ok());
  CHECK(worker->Current(Seconds(13)) == second);
  CHECK(worker->Current(Seconds(14)) == second);
  CHECK(remarks.size() == 1);
  lab.Issue(Role::kWorker, "w");
  CHECK(worker->Current(Seconds(15)) != second);
}

TEST_CASE("a pair that is replaced while it is read is read again") {
  const Lab lab;
  const std::string folder = lab.Issue(Role::kWorker, "w"), other = lab.Issue(Role::kWorker, "v");
  const std::string link = folder + ".link", next = folder + ".next";
  std::filesystem::create_symlink(folder, link);
  std::atomic<bool> stop = false;
  std::thread rotator([&] {
    for (int turn = 0; !stop; ++turn) {
      const std::string fresh = link + std::to_string(turn);
      std::filesystem::copy(turn % 2 == 0 ? other : folder, fresh);
      std::filesystem::create_symlink(fresh, next);
      std::filesystem::rename(next, link);
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
  });
  absl::Status all;
  for (int times = 0; times < 1000; ++times) {
    all.Update(
        Credentials::Load({.cert = link + "/tls.crt", .key = link + "/tls.key"}, {}).status());
  }
  stop = true;
  rotator.join();
  CHECK(all == absl::OkStatus());
}

TEST_CASE("files that cannot be used are named at the start") {
  const Lab lab;
  const std::string folder = lab.Issue(Role::kWorker, "w");
  CredentialOptions options{.cert = folder + "/missing", .key = folder + "/tls.key"};
  const auto missing = Credentials::Load(options, {});
  CHECK(missing.status().message().find("tls.cert: " + folder + "/missing") == 0);
  const std::string other = lab.Issue(Role::kWorker, "v");
  options = {.cert = folder + "/tls.crt", .key = other + "/tls.key"};
  CHECK(Credentials::Load(options, {}).status().message().find("tls.key: ") == 0);
}

}  // namespace
}  // namespace waferline::tls
