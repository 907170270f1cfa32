// What libFuzzer calls, for a fuzzer that takes its bytes as decisions: for the one file that
// defines Run.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tests/fuzz/input.h"

namespace waferline::fuzz {

void Run(Input input);

}  // namespace waferline::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  waferline::fuzz::Run({data, size});
  return 0;
}
