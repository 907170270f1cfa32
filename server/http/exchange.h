// One HTTP request and its reply, as routes see it: no sockets, no Beast.
//
// Owner: shared by the connection and by what writes the reply. Thread: the io thread for
// every call. After the client has gone, or after the reply is complete, writing does nothing.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "wafer_backend/base/tls/identity.h"
#include "wafer_backend/base/units.h"

namespace waferline::http {

using Headers = std::vector<std::pair<std::string, std::string>>;

// Who is at the other end of a connection.
struct Peer {
  bool from_loopback = false;
  bool tls = false;
  std::shared_ptr<const tls::Identity> identity;  // of its certificate; null: it has shown none
};

struct Request {
  std::string method;
  std::string path;   // percent-decoded, without the query
  std::string query;  // as it was sent, without the '?'
  Headers headers;    // names in lower case
  std::string body;
  Peer peer;
  Nanoseconds received;  // host time: the last byte of the request was here

  // "" if there is none; `name` in lower case.
  std::string_view Header(std::string_view name) const {
    for (const auto& [key, value] : headers) {
      if (key == name) return value;
    }
    return "";
  }
};

struct Reply {
  int code = 200;
  std::string content_type;  // "" for no body
  std::string body;
  Headers headers;
};

class Exchange {
 public:
  virtual ~Exchange() = default;

  virtual const Request& request() const = 0;

  // Goes out with whatever reply follows.
  virtual void AddHeader(std::string name, std::string value) = 0;

  // The whole reply.
  virtual void Send(Reply reply) = 0;

  // A reply of unknown length: StartStream, Write*, then Finish. `idle_comment` is written when
  // nothing else was for a while ("" for never).
  virtual void StartStream(Reply head, std::string idle_comment) = 0;
  virtual void Write(std::string_view bytes) = 0;
  virtual void Finish() = 0;

  // Bytes written and not yet taken by the operating system. Write never refuses; a writer that
  // respects the reader waits for OnDrained when this grows.
  virtual size_t unsent_bytes() const = 0;
  // Called each time everything written has been sent.
  virtual void OnDrained(std::function<void()> drained) = 0;
  // Called once if the client goes away before the reply is complete.
  virtual void OnGone(std::function<void()> gone) = 0;
};

// Answers one exchange, now or later, exactly once.
using Handler = std::function<void(std::shared_ptr<Exchange>)>;

}  // namespace waferline::http
