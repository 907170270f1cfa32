// TokenClient over HTTP and server-sent events, against any OpenAI-style server.
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "client/sdk/http_wire.h"
#include "client/sdk/openai_wire.h"
#include "client/sdk/sse_parser.h"
#include "client/sdk/token_client.h"
#include "client/sdk/web_page.h"
#include "wafer_backend/base/notification.h"

namespace waferline::sdk {
namespace {

constexpr size_t kMaxErrorBytes = 64 * 1024;
constexpr size_t kMaxAnswerBytes = 16 << 20;

// What to wait before a retry: retry-after-ms, or Retry-After in seconds.
std::optional<Nanoseconds> RetryAfter(const std::function<std::string(std::string_view)>& header) {
  int64_t number = 0;
  if (absl::SimpleAtoi(header("retry-after-ms"), &number)) return Milliseconds(number);
  if (absl::SimpleAtoi(header("retry-after"), &number)) return Seconds(number);
  return std::nullopt;
}

// Turns the bytes of one answer into pieces and an ending. On the wire's thread, apart from Cancel.
class HttpCall : public TokenClient::Call {
 public:
  explicit HttpCall(StreamListener listener) : listener_(std::move(listener)) {}

  // Kept alive by the handler until the exchange ends.
  static std::shared_ptr<HttpCall> Begin(HttpWire& wire, HttpRequest request,
                                         StreamListener listener) {
    auto call = std::make_shared<HttpCall>(std::move(listener));
    call->exchange_ =
        wire.Send(std::move(request),
                  {.on_head = [call](int code, const auto& header) { call->OnHead(code, header); },
                   .on_bytes = [call](std::string_view bytes) { return call->OnBytes(bytes); },
                   .on_end = [call](const absl::Status& status) { call->OnEnd(status); }});
    return call;
  }

  void Cancel() override { exchange_->Cancel(); }

 private:
  void OnHead(int code, const std::function<std::string(std::string_view)>& header) {
    code_ = code;
    streams_ = absl::StartsWithIgnoreCase(header("content-type"), "text/event-stream");
    if (code != 200) ending_.retry_after = RetryAfter(header);
  }

  // False: nothing that follows matters.
  bool OnBytes(std::string_view bytes) {
    if (code_ != 200 || !streams_) {
      answer_.append(bytes.substr(0, kMaxErrorBytes - answer_.size()));
      return answer_.size() < kMaxErrorBytes;
    }
    const absl::Status status = parser_.Feed(bytes, [this](std::string_view data) {
      if (ended_) return;
      if (done_) return;
      auto chunk = ReadChunk(data, &ending_);
      if (!chunk.ok()) return End(chunk.status());
      // The end is reported when the connection is free for the next request.
      done_ = chunk->done;
      if (!chunk->has_content) return;
      CountTokens(*chunk);
      listener_.on_piece(chunk->piece);
    });
    if (!status.ok()) End(status);
    return !done_ && !ended_;
  }

  // Where a chunk lists no ids, running usage says how many tokens it brought.
  void CountTokens(WireChunk& chunk) {
    if (chunk.piece.tokens == 0 && chunk.tokens_so_far > tokens_) {
      chunk.piece.tokens = chunk.tokens_so_far - tokens_;
    }
    tokens_ += chunk.piece.tokens;
  }

  void OnEnd(const absl::Status& status) {
    if (done_) return End(absl::OkStatus());
    if (!status.ok()) return End(status);
    if (code_ != 200) return End(ReadError(code_, answer_));
    if (!streams_) {
      return End(IsWebPage(answer_)
                     ? absl::InternalError(WebPageText(code_))
                     : absl::InternalError("the server did not answer with an event stream"));
    }
    // Some servers end without [DONE].
    End(ending_.finish_reason.empty()
            ? absl::UnavailableError("the stream ended before the answer did")
            : absl::OkStatus());
  }

  void End(const absl::Status& status) {
    if (std::exchange(ended_, true)) return;
    ending_.status = status;
    listener_.on_end(ending_);
    listener_ = {};
  }

  StreamListener listener_;
  std::shared_ptr<HttpWire::Exchange> exchange_;
  SseParser parser_;
  Ending ending_;
  int code_ = 0;
  bool streams_ = false;
  bool done_ = false;  // [DONE] came
  bool ended_ = false;
  uint32_t tokens_ = 0;  // of the pieces so far
  std::string answer_;   // of a refusal
};

absl::StatusOr<std::string> AskOnce(HttpWire& wire, HttpRequest request) {
  std::string answer;
  int code = 0;
  absl::Status end;
  Notification ended;
  wire.Send(std::move(request), {.on_head = [&](int got, const auto&) { code = got; },
                                 .on_bytes =
                                     [&](std::string_view bytes) {
                                       answer.append(bytes);
                                       return answer.size() <= kMaxAnswerBytes;
                                     },
                                 .on_end =
                                     [&](const absl::Status& status) {
                                       end = status;
                                       ended.Notify();
                                     }});
  ended.Wait();
  if (!end.ok()) return end;
  if (answer.size() > kMaxAnswerBytes) {
    return absl::ResourceExhaustedError("the server's answer is longer than 16 MiB");
  }
  if (code != 200) return ReadError(code, answer);
  if (IsWebPage(answer)) return absl::InternalError(WebPageText(code));
  return answer;
}

class HttpClient : public TokenClient {
 public:
  explicit HttpClient(const Endpoint& endpoint) : wire_(endpoint) {}

  std::shared_ptr<Call> Start(const GenerateSpec& spec, StreamListener listener) override {
    HttpRequest request{
        .method = "POST", .path = std::string(PathFor(spec)), .body = BodyFor(spec)};
    request.streams = true;
    request.read_pause = spec.read_pause;
    request.headers.emplace_back("Accept", "text/event-stream");
    if (!spec.api_key.empty()) {
      request.headers.emplace_back("Authorization", "Bearer " + spec.api_key);
    }
    if (!spec.request_id.empty()) request.headers.emplace_back("X-Request-Id", spec.request_id);
    return HttpCall::Begin(wire_, std::move(request), std::move(listener));
  }

  absl::StatusOr<std::vector<ModelEntry>> ListModels() override {
    const absl::StatusOr<std::string> answer = Get("/v1/models");
    if (!answer.ok()) return answer.status();
    return ReadModels(*answer);
  }

  absl::StatusOr<std::string> ScheduleDigest() override {
    const absl::StatusOr<std::string> answer = Get("/admin/load");
    if (!answer.ok()) return answer.status();
    return ReadDigest(*answer);
  }

  absl::Status ApplyFault(const FaultSpec& fault) override {
    return Ask({.method = "POST", .path = "/admin/faults", .body = WriteFault(fault)}).status();
  }

 private:
  absl::StatusOr<std::string> Get(const std::string& path) {
    return Ask({.method = "GET", .path = path});
  }

  absl::StatusOr<std::string> Ask(HttpRequest request) {
    return AskOnce(wire_, std::move(request));
  }

  HttpWire wire_;
};

}  // namespace

absl::StatusOr<std::string> AskHttp(const Endpoint& endpoint, const HttpQuestion& question) {
  HttpWire wire(endpoint);
  return AskOnce(wire, {.method = question.method, .path = question.path, .body = question.body});
}

std::unique_ptr<TokenClient> MakeHttpClient(const Endpoint& endpoint) {
  return std::make_unique<HttpClient>(endpoint);
}

}  // namespace waferline::sdk
