// waferline.v1 requests read into requests that the engine can take. Pure: no I/O, no clock; any
// thread. Errors: NotFound for a model that is not served, else a FieldError that names the field.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "proto/waferline/v1/inference.pb.h"
#include "scheduler/request/valid_request.h"
#include "server/text/served_model.h"
#include "server/text/text_stream.h"

namespace waferline::rpc {

// Bounds of what one request may ask for.
inline constexpr int kMaxStopStrings = 16;
inline constexpr size_t kMaxStopBytes = 1024;
inline constexpr int kMaxStopTokenIds = 256;
inline constexpr int kMaxLogitBias = 1024;
inline constexpr uint32_t kMaxTopLogprobs = 20;
inline constexpr int kMaxChatMessages = 4096;
inline constexpr size_t kMaxNameBytes = 512;  // model, cache_salt
inline constexpr size_t kMaxRequestIdBytes = 128;
inline constexpr int64_t kMaxDurationNs = 31LL * 24 * 3600 * 1'000'000'000;  // beyond: a mistake

struct DecodedRequest {
  ValidRequest request;  // without sink
  std::shared_ptr<const text::ServedModel> model;
  text::TextStreamOptions text;
};

// What the message does not hold.
struct CallFacts {
  std::string request_id;  // used if the message has none; must be one that IsRequestId takes
  std::string tenant;
  uint64_t fallback_seed = 0;
};

absl::StatusOr<DecodedRequest> DecodeGenerate(const v1::GenerateRequest& message,
                                              const CallFacts& facts,
                                              const text::ModelCatalog& catalog);

// An empty name means the only model there is.
absl::StatusOr<std::shared_ptr<const text::ServedModel>> FindModel(
    const std::string& name, const text::ModelCatalog& catalog);

absl::StatusOr<std::vector<TokenId>> DecodeText(const std::string& text, bool add_special,
                                                const text::ServedModel& model);
absl::StatusOr<std::vector<TokenId>> DecodeChat(const v1::ChatInput& chat,
                                                const text::ServedModel& model);

// UTF-8, whatever the tokens.
absl::StatusOr<std::string> DecodeIdsToText(const google::protobuf::RepeatedField<int32_t>& ids,
                                            const text::ServedModel& model);

// 1 to 128 printable ASCII characters: what fits into metadata and logs.
bool IsRequestId(std::string_view id);

}  // namespace waferline::rpc
