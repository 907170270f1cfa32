// An HTTP server of a few lines for the clients' tests: what it answers is a function of the
// request, written down by the test as raw bytes. Blocking sockets, one thread a connection.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "wafer_backend/base/check.h"

namespace waferline {

class ScriptedServer {
 public:
  // One connection, as the script sees it.
  class Peer {
   public:
    explicit Peer(int fd) : fd_(fd) {}
    // False: the client has gone.
    bool Send(const std::string& bytes) const {
      size_t done = 0;
      while (done < bytes.size()) {
        const ssize_t sent = send(fd_, bytes.data() + done, bytes.size() - done, MSG_NOSIGNAL);
        if (sent <= 0) return false;
        done += static_cast<size_t>(sent);
      }
      return true;
    }
    bool SendChunk(const std::string& bytes) const {
      char size[32];
      snprintf(size, sizeof size, "%zx\r\n", bytes.size());
      return Send(size + bytes + "\r\n");
    }
    // Waits until the client closes; false if it sends something instead.
    bool AwaitClose() const {
      char byte;
      return recv(fd_, &byte, 1, 0) <= 0;
    }

   private:
    const int fd_;
  };
  // Answers one request (head and body as they came). True: the connection is kept.
  using Script = std::function<bool(const std::string& request, const Peer& peer)>;

  explicit ScriptedServer(Script script) : script_(std::move(script)) {
    listener_ = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    WL_CHECK(bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    WL_CHECK(listen(listener_, 64) == 0);
    socklen_t length = sizeof address;
    getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length);
    port_ = ntohs(address.sin_port);
    acceptor_ = std::thread([this] { Accept(); });
  }
  ~ScriptedServer() {
    shutdown(listener_, SHUT_RDWR);
    acceptor_.join();
    close(listener_);
    {
      std::lock_guard lock(mutex_);
      for (const int fd : fds_) shutdown(fd, SHUT_RDWR);
    }
    for (std::thread& thread : threads_) thread.join();
  }

  uint16_t port() const { return port_; }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  int connections() const { return connections_; }  // ever accepted
  size_t open_connections() const {
    std::lock_guard lock(mutex_);
    return fds_.size();
  }

  static std::string Whole(int code, const std::string& body, const std::string& headers = "") {
    return "HTTP/1.1 " + std::to_string(code) + " X\r\nContent-Type: application/json\r\n" +
           headers + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  }
  static std::string StreamHead() {
    return "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: "
           "chunked\r\n\r\n";
  }

 private:
  void Accept() {
    while (true) {
      const int fd = accept(listener_, nullptr, nullptr);
      if (fd < 0) return;
      ++connections_;
      std::lock_guard lock(mutex_);
      fds_.push_back(fd);
      threads_.emplace_back([this, fd] { Serve(fd); });
    }
  }

  void Serve(int fd) {
    const Peer peer(fd);
    std::string bytes;
    char buffer[4096];
    while (true) {
      const size_t head = bytes.find("\r\n\r\n");
      const size_t field = bytes.find("Content-Length: ");
      const size_t body =
          field < head ? static_cast<size_t>(std::stoul(bytes.substr(field + 16))) : 0;
      if (head != std::string::npos && bytes.size() >= head + 4 + body) {
        const std::string request = bytes.substr(0, head + 4 + body);
        bytes.erase(0, head + 4 + body);
        if (!script_(request, peer)) break;
        continue;
      }
      const ssize_t got = recv(fd, buffer, sizeof buffer, 0);
      if (got <= 0) break;
      bytes.append(buffer, static_cast<size_t>(got));
    }
    std::lock_guard lock(mutex_);
    std::erase(fds_, fd);
    close(fd);
  }

  const Script script_;
  int listener_ = -1;
  uint16_t port_ = 0;
  std::atomic<int> connections_ = 0;
  mutable std::mutex mutex_;
  std::vector<int> fds_;
  std::vector<std::thread> threads_;
  std::thread acceptor_;
};

}  // namespace waferline
