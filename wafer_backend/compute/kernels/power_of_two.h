// A power of two as a float, made from its bits: exact, and one shift instead of a library call.
#pragma once

#include <bit>
#include <cstdint>

namespace waferline::kernels {

// 2^e, e from -126 to 127 (the exponents of normal numbers).
constexpr float TwoTo(int e) { return std::bit_cast<float>(static_cast<uint32_t>(e + 127) << 23); }

}  // namespace waferline::kernels
