// kv_transfer_params as protobuf's Struct. Pure; any thread.
#pragma once

#include "absl/status/statusor.h"
#include "google/protobuf/struct.pb.h"
#include "server/serving/kv_handoffs.h"

namespace waferline::rpc {

// InvalidArgument: more fields or longer texts than anything that is handed over.
absl::StatusOr<serving::KvParams> ReadKvParams(const google::protobuf::Struct& fields);
void WriteKvParams(const serving::KvParams& params, google::protobuf::Struct* fields);

}  // namespace waferline::rpc
