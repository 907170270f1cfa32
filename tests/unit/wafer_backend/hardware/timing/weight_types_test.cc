#include "wafer_backend/hardware/timing/weight_types.h"

#include <catch2/catch.hpp>

namespace waferline::timing {
namespace {

TEST_CASE("weight types have their sizes; others are refused with the list") {
  CHECK(*BytesPerWeight("fp32") == 4);
  CHECK(*BytesPerWeight("bf16") == 2);
  CHECK(*BytesPerWeight("int8") == 1);
  CHECK(*BytesPerWeight("fp4") == 0.5);
  CHECK(BytesPerWeight("q4").status().message() ==
        "\"q4\" must be one of: fp32, fp16, bf16, fp8, int8, fp4, int4");
}

}  // namespace
}  // namespace waferline::timing
