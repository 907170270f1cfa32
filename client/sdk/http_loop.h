// The connections of an HTTP client, and the thread that serves them. For HttpWire only.
//
// Owner: the wire. Thread: its own serves everything; the destructor waits for it.
#pragma once

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/ssl.hpp>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "client/sdk/http_wire.h"
#include "client/sdk/tls_files.h"

namespace waferline::sdk {

using HttpTcpStream = boost::beast::tcp_stream;
using HttpTlsStream = boost::beast::ssl_stream<HttpTcpStream>;

struct HttpConnection {
  explicit HttpConnection(boost::asio::io_context& io) : plain(io) {}
  HttpConnection(boost::asio::io_context& io, boost::asio::ssl::context& context)
      : plain(io), tls(std::make_unique<HttpTlsStream>(io, context)) {}

  HttpTcpStream& tcp() { return tls ? tls->next_layer() : plain; }
  // Calls `act` with the stream that carries HTTP.
  template <typename Act>
  void With(Act act) {
    if (tls) {
      act(*tls);
    } else {
      act(plain);
    }
  }

  HttpTcpStream plain;
  std::unique_ptr<HttpTlsStream> tls;  // for https, in place of `plain`
  boost::beast::flat_buffer buffer;    // read, not yet parsed
};

// Keeps at most kMaxKeptConnections that are free.
class HttpWire::Loop {
 public:
  static constexpr size_t kMaxKeptConnections = 256;

  explicit Loop(Endpoint endpoint) : endpoint_(std::move(endpoint)), guard_(io_.get_executor()) {
    if (endpoint_.tls) files_ = UseTlsTexts(endpoint_.pem, &tls_);
    thread_ = std::thread([this] { io_.run(); });
  }

  ~Loop() {
    boost::asio::post(io_, [this] { kept_.clear(); });
    guard_.reset();
    thread_.join();
  }

  boost::asio::io_context& io() { return io_; }
  std::unique_ptr<HttpConnection> MakeConnection() {
    return endpoint_.tls ? std::make_unique<HttpConnection>(io_, tls_)
                         : std::make_unique<HttpConnection>(io_);
  }
  const Endpoint& endpoint() const { return endpoint_; }
  const absl::Status& files() const { return files_; }  // why their texts cannot be used, if not OK

  std::unique_ptr<HttpConnection> TakeKept() {
    if (kept_.empty()) return nullptr;
    auto connection = std::move(kept_.back());
    kept_.pop_back();
    return connection;
  }
  // Not after the owner has gone, who would take it.
  void Keep(std::unique_ptr<HttpConnection> connection) {
    if (guard_.owns_work() && kept_.size() < kMaxKeptConnections) {
      kept_.push_back(std::move(connection));
    }
  }

 private:
  const Endpoint endpoint_;
  absl::Status files_;
  boost::asio::io_context io_{1};
  boost::asio::ssl::context tls_{boost::asio::ssl::context::tls_client};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> guard_;
  std::vector<std::unique_ptr<HttpConnection>> kept_;  // the thread's
  std::thread thread_;
};

}  // namespace waferline::sdk
