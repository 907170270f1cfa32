// The bytes of one connection, plain or TLS: what reads and writes them is the same code for both.
// An Asio stream (AsyncReadStream and AsyncWriteStream, completion handlers only).
//
// Owner: one connection; thread: io. One read and one write at a time. socket().cancel ends the
// operations under way on either kind; later ones go on where they were.
#pragma once

#include <openssl/ssl.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <memory>
#include <optional>
#include <utility>

namespace waferline::http {

class Stream {
 public:
  using Socket = boost::asio::ip::tcp::socket;
  using executor_type = Socket::executor_type;

  // `context` null: plain.
  Stream(Socket socket, const std::shared_ptr<SSL_CTX>& context) {
    if (context == nullptr) {
      plain_.emplace(std::move(socket));
      return;
    }
    SSL_CTX_up_ref(context.get());
    boost::asio::ssl::context owner(context.get());  // releases it; the stream has its own by then
    tls_.emplace(std::move(socket), owner);
  }

  executor_type get_executor() { return socket().get_executor(); }
  Socket& socket() { return tls_ ? tls_->next_layer() : *plain_; }
  const Socket& socket() const { return tls_ ? tls_->next_layer() : *plain_; }
  // Null: plain.
  SSL* ssl() { return tls_ ? tls_->native_handle() : nullptr; }

  template <typename Handler>
  void async_handshake(Handler&& handler) {
    tls_->async_handshake(boost::asio::ssl::stream_base::server, std::forward<Handler>(handler));
  }
  template <typename Buffers, typename Handler>
  void async_read_some(const Buffers& buffers, Handler&& handler) {
    if (tls_) return tls_->async_read_some(buffers, std::forward<Handler>(handler));
    plain_->async_read_some(buffers, std::forward<Handler>(handler));
  }
  template <typename Buffers, typename Handler>
  void async_write_some(const Buffers& buffers, Handler&& handler) {
    if (tls_) return tls_->async_write_some(buffers, std::forward<Handler>(handler));
    plain_->async_write_some(buffers, std::forward<Handler>(handler));
  }

  // Tells the peer that nothing more comes. `alive` is kept until that is done, or the socket is
  // closed. Nothing is being written.
  void EndSending(std::shared_ptr<void> alive) {
    boost::system::error_code ignored;
    if (!tls_) {
      socket().shutdown(Socket::shutdown_send, ignored);
      return;
    }
    tls_->async_shutdown([alive = std::move(alive)](boost::system::error_code) {});
  }

 private:
  std::optional<Socket> plain_;
  std::optional<boost::asio::ssl::stream<Socket>> tls_;
};

}  // namespace waferline::http
