// Which part of a request is done here, where a router has one server compute its prompt and
// another generate its tokens. A value.
#pragma once

#include <cstdint>

namespace waferline {

enum class KvLeg : uint8_t {
  kWhole,    // both
  kPrefill,  // the prompt, and the one token that comes out of it; no decode unit is needed
  kDecode,   // the prompt's KV comes from elsewhere, over the link of the unit that takes it
};

}  // namespace waferline
