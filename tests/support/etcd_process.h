// A real etcd (Debian's etcd-server) of one or three members on ports that the system chose, for
// tests. Each member is ended by its pid.
#pragma once

#include <arpa/inet.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "tests/support/temporary_folder.h"

namespace waferline {

inline int FreePort() {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  bind(fd, reinterpret_cast<sockaddr*>(&address), size);
  getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  close(fd);
  return ntohs(address.sin_port);
}

class EtcdProcess {
 public:
  static bool Installed() { return access("/usr/bin/etcd", X_OK) == 0; }

  explicit EtcdProcess(int members = 1) {
    for (int i = 0; i < members; ++i)
      members_.push_back({.client = FreePort(), .peer = FreePort()});
    for (int i = 0; i < members; ++i) Start(i);
  }
  ~EtcdProcess() {
    for (size_t i = 0; i < members_.size(); ++i) Kill(static_cast<int>(i));
  }
  EtcdProcess(const EtcdProcess&) = delete;
  EtcdProcess& operator=(const EtcdProcess&) = delete;

  std::vector<std::string> endpoints() const {
    std::vector<std::string> all;
    for (const Member& member : members_) all.push_back(Host(member.client));
    return all;
  }

  void Start(int i) {
    std::string cluster;
    for (size_t m = 0; m < members_.size(); ++m) {
      cluster += (m > 0 ? ",m" : "m") + std::to_string(m) + "=http://" + Host(members_[m].peer);
    }
    const std::string client = "http://" + Host(members_[i].client);
    const std::string peer = "http://" + Host(members_[i].peer);
    Spawn(&members_[i].pid, {"/usr/bin/etcd",
                             "--name",
                             "m" + std::to_string(i),
                             "--data-dir",
                             DataOf(i),
                             "--listen-client-urls",
                             client,
                             "--advertise-client-urls",
                             client,
                             "--listen-peer-urls",
                             peer,
                             "--initial-advertise-peer-urls",
                             peer,
                             "--initial-cluster",
                             cluster,
                             "--logger",
                             "zap",
                             "--log-level",
                             "error",
                             "--log-outputs",
                             folder_.File("log"),
                             "--unsafe-no-fsync"});
  }
  void Kill(int i) {
    if (members_[i].pid == 0) return;
    kill(members_[i].pid, SIGKILL);
    waitpid(members_[i].pid, nullptr, 0);
    members_[i].pid = 0;
  }
  void Signal(int i, int number) { kill(members_[i].pid, number); }
  void Wipe(int i) { std::filesystem::remove_all(DataOf(i)); }

  // Runs etcdctl with these words; whether it succeeded.
  bool Control(const std::string& words) const {
    const std::string command = "ETCDCTL_API=3 etcdctl --endpoints=http://" +
                                Host(members_[0].client) + " " + words + " > /dev/null 2>&1";
    return std::system(command.c_str()) == 0;
  }

 private:
  struct Member {
    int client = 0;
    int peer = 0;
    pid_t pid = 0;
  };
  static std::string Host(int port) { return "127.0.0.1:" + std::to_string(port); }
  std::string DataOf(int i) const { return folder_.File("m" + std::to_string(i)); }
  static void Spawn(pid_t* pid, std::vector<std::string> words) {
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    posix_spawn(pid, argv[0], nullptr, nullptr, argv.data(), environ);
  }

  const test::TemporaryFolder folder_;
  std::vector<Member> members_;
};

}  // namespace waferline
