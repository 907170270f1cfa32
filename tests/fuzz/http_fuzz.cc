// fuzzes: server/http server/batches
// Any bytes on a connection: what is a request does not depend on how its bytes are cut, each one
// has one whole answer, and the connection is closed when its peer is done. Then the readers of
// bodies and queries that only operators and batches use: a value, or an error that names a field.
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "server/batches/batch_input.h"
#include "server/http/account_json.h"
#include "server/http/connection.h"
#include "server/http/list_query.h"
#include "server/http/metric_names.h"
#include "server/http/multipart.h"
#include "server/http/organization_json.h"
#include "server/openai/api_error.h"
#include "tests/fuzz/input.h"
#include "wafer_backend/base/check.h"

namespace waferline::http {
namespace {

using boost::asio::ip::tcp;

// What a peer and the routes have seen of a connection.
struct Seen {
  std::vector<std::string> requests;                 // as the routes have them
  std::vector<std::pair<std::string, int>> replies;  // method, code; also of refusals
  std::string answers;
  bool closed = false;
};

std::string TextOf(const Request& request) {
  std::string text = request.method + ' ' + request.path + '?' + request.query + '\n';
  for (const auto& [name, value] : request.headers) text += name + ": " + value + '\n';
  return text + '\n' + request.body;
}

// A server's side of one connection, run on this thread.
class OneConnection {
 public:
  OneConnection() {
    options_.max_header_bytes = 600;
    options_.max_body_bytes = 300;
    options_.clock = {.monotonic = [] { return Seconds(1000); },
                      .unix_seconds = [] { return int64_t{784111777}; }};
    options_.admit = [](const Request& request) -> std::optional<Reply> {
      if (!request.path.starts_with("/closed")) return std::nullopt;
      return Reply{.code = 403, .content_type = "text/plain", .body = "no"};
    };
    options_.on_reply = [this](const Request& request, int code, Nanoseconds) {
      seen_.replies.emplace_back(request.method, code);
    };
    handler_ = [this](const std::shared_ptr<Exchange>& exchange) { Answer(exchange); };
  }

  // The peer sends `bytes`, so many at once, and then no more.
  Seen Converse(std::string_view bytes, size_t piece) {
    seen_ = {};
    int ends[2];
    WL_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
    tcp::socket socket(io_);
    socket.assign(tcp::v4(), ends[0]);
    auto connection =
        MakeConnection(std::move(socket), {&options_, &handler_, &bodies_, &handshakes_},
                       [this](Connection*) { seen_.closed = true; });
    connection->Start();
    for (; !bytes.empty(); bytes.remove_prefix(std::min(piece, bytes.size()))) {
      const std::string_view some = bytes.substr(0, piece);
      if (send(ends[1], some.data(), some.size(), MSG_NOSIGNAL) < 0) break;  // it has hung up
      Settle(ends[1]);
    }
    shutdown(ends[1], SHUT_WR);
    Settle(ends[1]);
    connection.reset();
    close(ends[1]);
    return std::move(seen_);
  }

 private:
  void Settle(int peer) {
    char room[4096];
    do {
      io_.restart();
      for (ssize_t size; (size = recv(peer, room, sizeof room, 0)) > 0;) {
        seen_.answers.append(room, static_cast<size_t>(size));
      }
    } while (io_.poll() > 0);
  }

  void Answer(const std::shared_ptr<Exchange>& exchange) {
    const Request& request = exchange->request();
    seen_.requests.push_back(TextOf(request));
    if (!request.path.starts_with("/stream")) {
      exchange->Send({.content_type = "text/plain", .body = request.body});
      return;
    }
    exchange->StartStream({.content_type = "text/event-stream"}, "");
    exchange->Write(request.body);
    exchange->Finish();
  }

  ServerOptions options_;
  Handler handler_;
  BodyBudget bodies_{1 << 20};
  Handshakes handshakes_{Seconds(5), 1};
  Seen seen_;
  boost::asio::io_context io_{1};
};

// Cuts one answer off the front; its code.
int TakeAnswer(std::string_view* answers, bool is_head) {
  WL_CHECK(answers->starts_with("HTTP/1."));
  const size_t end = answers->find("\r\n\r\n");
  WL_CHECK(end != std::string_view::npos);
  const std::string head(answers->substr(0, end + 2));
  answers->remove_prefix(end + 4);
  const int code = std::atoi(head.c_str() + 9);
  const size_t length = head.find("\r\ncontent-length: ");
  if (is_head || code == 100 || code == 204) return code;
  if (length != std::string::npos) {
    const size_t size = std::strtoul(head.c_str() + length + 18, nullptr, 10);
    WL_CHECK(size <= answers->size());
    answers->remove_prefix(size);
  } else if (head.find("\r\ntransfer-encoding: chunked") != std::string::npos) {
    for (size_t size = 1; size > 0;) {
      const size_t line = answers->find("\r\n");
      WL_CHECK(line != std::string_view::npos);
      size = std::strtoul(std::string(answers->substr(0, line)).c_str(), nullptr, 16);
      WL_CHECK(line + 2 + size + 2 <= answers->size());
      answers->remove_prefix(line + 2 + size + 2);
    }
  } else {
    *answers = {};  // up to the end of the connection
  }
  return code;
}

void Check(const Seen& seen) {
  WL_CHECK(seen.closed && seen.requests.size() <= seen.replies.size());
  std::string_view answers = seen.answers;
  size_t refused = 0;
  for (const auto& [method, code] : seen.replies) {
    WL_CHECK(refused == 0);  // nothing comes after a refusal
    refused += code != 200 ? 1 : 0;
    int answer = 100;
    while (answer == 100) answer = TakeAnswer(&answers, method == "HEAD");
    WL_CHECK(answer == code);
  }
  while (!answers.empty()) WL_CHECK(TakeAnswer(&answers, false) == 100);
  WL_CHECK(seen.requests.size() + refused == seen.replies.size());
}

void Connect(std::string_view bytes, size_t piece) {
  static OneConnection connection;
  const Seen whole = connection.Converse(bytes, bytes.size() + 1);
  Check(whole);
  const Seen cut = connection.Converse(bytes, piece);
  Check(cut);
  WL_CHECK(cut.requests == whole.requests);
  WL_CHECK(cut.replies.size() ==
           whole.replies.size());  // a head may be too long before it is wrong
}

template <typename Value>
void Check(const absl::StatusOr<Value>& read) {
  if (!read.ok())
    WL_CHECK(absl::IsInvalidArgument(read.status()) && !read.status().message().empty());
}

constexpr int64_t kNowUs = 1'790'000'000'000'000;

void ReadLists(std::string_view text) {
  for (const Listed what : {Listed::kProjects, Listed::kAdminKeys}) Check(ReadList(text, what));
  Check(ReadListQuery(text, {.ordered = true, .of_files = true}));
}

void ReadFormData(std::string_view text) {
  const size_t line = text.find('\n');
  const std::string_view body = line == text.npos ? "" : text.substr(line + 1);
  const auto form = ReadForm(text.substr(0, line), body);
  Check(form);
  if (form.ok()) WL_CHECK(form->size() <= kMaxParts);
}

void ReadBatch(std::string_view text) {
  const auto input = batches::ReadInput(text, "/v1/completions");
  Check(input);
  if (!input.ok()) return;
  for (const batches::Line& line : input->lines) {
    WL_CHECK(!batches::ReadLine(text.substr(line.begin, line.size)).body.empty());
  }
}

using Text = std::string_view;
constexpr void (*kReaders[])(Text) = {
    [](Text text) { Check(ReadTenant(text)); },
    [](Text text) { Check(ReadCredit(text)); },
    [](Text text) { Check(ReadKey(text, kNowUs)); },
    [](Text text) { Check(ReadOverlap(text)); },
    [](Text text) { Check(ReadQuota(text)); },
    [](Text text) { Check(ReadUsageQuery(text, kNowUs)); },
    [](Text text) { Check(ReadCostQuery(text, kNowUs)); },
    [](Text text) { Check(ReadProject(text, "acme")); },
    [](Text text) { Check(ReadAdminKey(text, "acme", kNowUs)); },
    [](Text text) { Check(ReadServiceAccount(text, {.id = "p", .tenant = "acme"}, kNowUs)); },
    &ReadLists,
    [](Text text) { WL_CHECK(MetricNames(text).size() <= kMaxMetricNames); },
    &ReadFormData,
    &ReadBatch,
};

}  // namespace
}  // namespace waferline::http

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace waferline::http;
  if (size == 0) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] < 128) {
    Connect(rest, 1 + data[0] % 32);
  } else {
    kReaders[data[0] % std::size(kReaders)](rest);
  }
  return 0;
}
