// A TCP client that says exactly what a test wants and reads what comes, for tests of the server.
// Every read ends after kPatience at the latest.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

namespace waferline::http {

class RawClient {
 public:
  static constexpr int kPatienceMs = 10'000;

  explicit RawClient(uint16_t port, int receive_buffer = 0) : fd_(socket(AF_INET, SOCK_STREAM, 0)) {
    if (receive_buffer > 0) {
      setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    }
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }
  ~RawClient() { Close(); }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  bool connected() const { return connected_; }
  void Close() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }
  void Send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
  }

  // No more will be sent; what comes can still be read.
  void EndSending() { shutdown(fd_, SHUT_WR); }

  // Everything up to and including `end`; what was there, if the peer closes or patience ends.
  std::string ReadUntil(std::string_view end) {
    while (buffer_.find(end) == std::string::npos) {
      if (!ReadSome()) return std::exchange(buffer_, "");
    }
    return Cut(buffer_.find(end) + end.size());
  }
  // Everything up to the peer's close.
  std::string ReadAll() {
    while (ReadSome()) {
    }
    return std::exchange(buffer_, "");
  }
  // One response with content-length.
  struct Response {
    int code = 0;
    std::string head;
    std::string body;
    bool Has(std::string_view text) const { return head.find(text) != std::string::npos; }
  };
  Response ReadResponse(bool has_body = true) {
    Response response;
    response.head = ReadUntil("\r\n\r\n");
    if (response.head.size() > 12) response.code = std::atoi(response.head.c_str() + 9);
    const size_t at = response.head.find("content-length: ");
    if (at == std::string::npos || !has_body) return response;
    const size_t size = std::strtoul(response.head.c_str() + at + 16, nullptr, 10);
    while (buffer_.size() < size && ReadSome()) {
    }
    response.body = Cut(size);
    return response;
  }
  // The payload of a chunked body, to its end.
  std::string ReadChunks() {
    std::string payload;
    while (true) {
      const std::string line = ReadUntil("\r\n");
      const size_t size = std::strtoul(line.c_str(), nullptr, 16);
      while (buffer_.size() < size + 2 && ReadSome()) {
      }
      payload += Cut(size + 2).substr(0, size);
      if (size == 0) return payload;
    }
  }
  // Waits until something can be read, and reads nothing.
  bool AwaitBytes() const {
    pollfd poll_one{fd_, POLLIN, 0};
    return poll(&poll_one, 1, kPatienceMs) > 0;
  }
  bool AtEnd() { return buffer_.empty() && !ReadSome(); }

 private:
  bool ReadSome() {
    pollfd poll_one{fd_, POLLIN, 0};
    if (fd_ < 0 || poll(&poll_one, 1, kPatienceMs) <= 0) return false;
    char bytes[65536];
    const ssize_t size = recv(fd_, bytes, sizeof bytes, 0);
    if (size <= 0) return false;
    buffer_.append(bytes, static_cast<size_t>(size));
    return true;
  }
  std::string Cut(size_t size) {
    std::string front = buffer_.substr(0, size);
    buffer_.erase(0, size);
    return front;
  }

  int fd_;
  bool connected_ = false;
  std::string buffer_;
};

}  // namespace waferline::http
