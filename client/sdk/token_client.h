// A client of a token cloud, over HTTP or gRPC alike: asks for tokens, hears of them as they come.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/sdk/endpoint.h"
#include "wafer_backend/base/ids.h"
#include "wafer_backend/base/units.h"

namespace waferline::sdk {

struct ChatTurn {
  std::string role;  // "system", "user", "assistant", "tool"
  std::string content;
};

// An arrival that the client times itself, for a waferd with a stepped clock: the requests of a
// trace are numbered from 0 in the order of their arrival.
struct OwnArrival {
  uint64_t number = 0;
  Nanoseconds at;
  bool last = false;  // no larger number follows
};

// How much a slow reader reads at a time.
inline constexpr size_t kSlowReadBytes = 512;

// What is absent is left to the server.
struct GenerateSpec {
  std::string model;
  std::variant<std::string, std::vector<TokenId>, std::vector<ChatTurn>> prompt;
  std::optional<uint32_t> max_tokens;
  std::optional<uint32_t> min_tokens;
  std::optional<double> temperature;
  std::optional<double> top_p;
  std::optional<uint32_t> top_k;
  std::optional<uint64_t> seed;
  std::vector<std::string> stop;
  bool ignore_eos = false;
  // HTTP: ask for the ids of each chunk's tokens, so that they can be counted; not every server
  // takes that.
  bool ask_token_ids = false;
  bool ask_usage = true;    // HTTP: a few servers refuse stream_options
  std::string json_schema;  // of a chat: what its answer is held to; none if empty
  std::string tools;        // of a chat: OpenAI's list, of which some must be called; none if empty
  // HTTP: how long to wait after each read of kSlowReadBytes, as a slow client does.
  Nanoseconds read_pause{0};
  std::string request_id;  // made by the server if empty
  std::string api_key;     // in place of the endpoint's, if not empty
  std::optional<int32_t> priority;
  std::string service_tier;  // "auto", "default", "flex", "priority"
  std::string cache_salt;
  std::optional<Nanoseconds> deadline;    // emulated, from arrival; a waferd's
  std::optional<OwnArrival> own_arrival;  // with it, HTTP asks for every token's instant
};

// What came in one message.
struct Piece {
  std::string text;
  uint32_t tokens = 0;  // 0: the server does not say
  // Emulated instants of these tokens, since the request's arrival, if the server tells.
  std::vector<Nanoseconds> instants;
};

struct EmulatedTimes {
  Nanoseconds queue;
  Nanoseconds prompt;  // prefill and transfer
  Nanoseconds completion;
  Nanoseconds total;
  // Since arrival, if the server says it: with `prompt`, the hop through the decode pipeline.
  std::optional<Nanoseconds> first_token;
};

struct Ending {
  absl::Status status;        // a refusal, a failure, Cancelled
  std::string finish_reason;  // "stop", "length"; as the server says
  std::optional<uint32_t> prompt_tokens;
  std::optional<uint32_t> completion_tokens;
  std::optional<EmulatedTimes> times;
  std::optional<Nanoseconds> retry_after;  // with a refusal
};

struct ModelEntry {
  std::string id;
  uint32_t context_length = 0;  // 0: the server does not say
  std::string details;          // what else it says, for people
};

struct StreamListener {
  std::function<void(const Piece&)> on_piece;
  std::function<void(const Ending&)> on_end;  // exactly once, and last
};

// A change of a waferd's emulated hardware. Only what is set is sent; the server checks which
// fields the kind needs.
struct FaultSpec {
  std::string kind;  // one of FaultKindNames() of fault_kinds.h
  std::string model;
  uint32_t index = 0;  // of the model's workers or units
  std::optional<double> factor;
  std::optional<uint32_t> stage;  // of a unit's pipeline
  // What breaks on a unit's wafers.
  std::optional<uint32_t> place, column, row, links, spare_wafers;
  std::optional<double> watts, clock_share;
};
class TokenClient {
 public:
  // A request in flight. Dropping it does not end the request.
  class Call {
   public:
    virtual ~Call() = default;
    // Any thread, any time; on_end follows (Cancelled, unless the end came first).
    virtual void Cancel() = 0;
  };

  // Waits until every call has ended; cancel them first.
  virtual ~TokenClient() = default;

  // Any thread; does not wait. The listener is called on the client's own threads, one call at a
  // time for each request, and must not block.
  virtual std::shared_ptr<Call> Start(const GenerateSpec& spec, StreamListener listener) = 0;

  // Waits for the answer. Unavailable if no server listens there; the message says what to try.
  virtual absl::StatusOr<std::vector<ModelEntry>> ListModels() = 0;

  // Digest of all that a waferd has scheduled so far; for its operators. Waits for the answer.
  virtual absl::StatusOr<std::string> ScheduleDigest() = 0;

  // For a waferd's operators. Waits for the answer. InvalidArgument names the kind or
  // field that is wrong.
  virtual absl::Status ApplyFault(const FaultSpec& fault) = 0;
};

// Connections are made when they are needed; this does not fail for a server that is not there.
std::unique_ptr<TokenClient> MakeHttpClient(const Endpoint& endpoint);
std::unique_ptr<TokenClient> MakeGrpcClient(const Endpoint& endpoint);
std::unique_ptr<TokenClient> MakeClient(const Endpoint& endpoint);

// Start, then wait for the end. `on_piece` runs on a thread of the client's. If `started` is
// given it gets the call before anything else happens.
Ending Run(TokenClient& client, const GenerateSpec& spec,
           std::function<void(const Piece&)> on_piece,
           std::function<void(std::shared_ptr<TokenClient::Call>)> started = nullptr);

// One question to a server over HTTP, for what is not about tokens. Waits for the answer's body; a
// refusal is the status that the server's error says.
struct HttpQuestion {
  std::string method;
  std::string path;  // with its query
  std::string body;  // JSON, or nothing
};
absl::StatusOr<std::string> AskHttp(const Endpoint& endpoint, const HttpQuestion& question);

// Whether it is an error of the three below: the transport's, of which port_probe.h may know more.
bool IsOfTransport(const absl::Status& status);
// Unavailable: no server answers at `endpoint`; says what to try.
absl::Status ServerUnreachable(const Endpoint& endpoint, const std::string& reason);
// Unavailable: the handshake failed, or the connection broke.
absl::Status NoTls(const Endpoint& endpoint, const std::string& reason);
absl::Status ConnectionLost(const Endpoint& endpoint, const std::string& reason);
// DeadlineExceeded: it took the connection and then said nothing for `patience`.
absl::Status ServerSilent(const Endpoint& endpoint, Nanoseconds patience);

}  // namespace waferline::sdk
