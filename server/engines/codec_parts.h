// What the codecs of the engine protocols share. Pure; any thread.
#pragma once

#include <google/protobuf/message.h>

#include <cstdint>
#include <span>
#include <string_view>
#include <utility>

#include "absl/status/status.h"

namespace waferline::engines {

// InvalidArgument at the first of these fields that says something. Paths are as "kv.cache_salt";
// an empty message says nothing.
absl::Status RefuseFields(const google::protobuf::Message& message,
                          std::span<const std::string_view> paths);

// An error about a field of waferline.v1, about the protocol's own field instead: the first pair
// whose first name begins the field's.
using FieldNames = std::span<const std::pair<std::string_view, std::string_view>>;
absl::Status InNames(FieldNames names, const absl::Status& status);

// Ids of waferline.v1 are signed; the model's own bound is checked there. InvalidArgument: an id
// that no model has.
absl::Status ReadIds(std::string_view field, const google::protobuf::RepeatedField<uint32_t>& from,
                     google::protobuf::RepeatedField<int32_t>* to);

}  // namespace waferline::engines
