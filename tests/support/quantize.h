// Plain encoders of weight blocks for tests: the simplest rounding that the formats allow, written
// independently of the kernels that decode them.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "wafer_backend/compute/kernels/dtype.h"

namespace waferline::test {

uint16_t ToF16(float value);  // IEEE 754 binary16, round to nearest even
float FromF16(uint16_t bits);
uint16_t ToBF16(float value);  // round to nearest even
float FromBF16(uint16_t bits);

// What a nibble of IQ4_NL and IQ4_XS stands for, and the place of what is nearest to x in steps.
inline constexpr float kIq4Table[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                        1,    13,   25,  38,  53,  69,  89,  113};
uint8_t NearestInTable(float step, float x);

// Bytes of the values as `dtype`; a whole number of blocks.
std::string Quantize(kernels::DType dtype, std::span<const float> values);

}  // namespace waferline::test
