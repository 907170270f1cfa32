#include "wafer_backend/base/tls/session.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "wafer_backend/base/check.h"

namespace waferline::tls {

Session::Session(SSL_CTX* context, bool is_client)
    : ssl_(SSL_new(context), &SSL_free),
      from_peer_(BIO_new(BIO_s_mem())),
      to_peer_(BIO_new(BIO_s_mem())) {
  WL_CHECK(ssl_ != nullptr && from_peer_ != nullptr && to_peer_ != nullptr);
  SSL_set_bio(ssl_.get(), from_peer_, to_peer_);
  is_client ? SSL_set_connect_state(ssl_.get()) : SSL_set_accept_state(ssl_.get());
}

bool Session::complete() const { return SSL_is_init_finished(ssl_.get()) == 1; }

std::optional<Refused> Session::Proceed(std::vector<uint8_t>* out) {
  ERR_clear_error();
  const int done = SSL_do_handshake(ssl_.get());
  const int error = SSL_get_error(ssl_.get(), done);
  Drain(out);  // an alert, if it failed
  if (done == 1 || error == SSL_ERROR_WANT_READ) return std::nullopt;
  return WhyFailed(ssl_.get(), ERR_get_error());
}

std::optional<Refused> Session::Receive(std::span<const uint8_t> cipher,
                                        std::vector<uint8_t>* plain, std::vector<uint8_t>* out) {
  BIO_write(from_peer_, cipher.data(), static_cast<int>(cipher.size()));
  if (!complete()) {
    if (auto failed = Proceed(out); failed || !complete()) return failed;
  }
  constexpr size_t kPiece = size_t{64} << 10;
  while (true) {
    const size_t had = plain->size();
    plain->resize(had + kPiece);
    size_t got = 0;
    ERR_clear_error();
    const int ok = SSL_read_ex(ssl_.get(), plain->data() + had, kPiece, &got);
    plain->resize(had + got);
    if (ok == 1) continue;
    const int error = SSL_get_error(ssl_.get(), ok);
    Drain(out);
    if (error == SSL_ERROR_WANT_READ) return std::nullopt;
    if (error == SSL_ERROR_ZERO_RETURN) return WhyFailed(ssl_.get(), 0);
    return WhyFailed(ssl_.get(), ERR_get_error());
  }
}

void Session::Send(std::span<const uint8_t> plain, std::vector<uint8_t>* out) {
  ERR_clear_error();
  while (!plain.empty()) {
    size_t taken = 0;
    const int ok = SSL_write_ex(ssl_.get(), plain.data(), plain.size(), &taken);
    WL_CHECK(ok == 1);  // memory takes all
    plain = plain.subspan(taken);
  }
  Drain(out);
}

void Session::Drain(std::vector<uint8_t>* out) {
  const size_t size = BIO_ctrl_pending(to_peer_);
  if (size == 0) return;
  const size_t had = out->size();
  out->resize(had + size);
  BIO_read(to_peer_, out->data() + had, static_cast<int>(size));
}

}  // namespace waferline::tls
